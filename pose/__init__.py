"""Find people's poses with OpenCV: the five-minute tour.

    picture ──network.py──▶ Maps ──decode.py──▶ people ──draw.py──▶ picture
              (maps.py: there and back)            │──track.py──▶ the same people, frame after frame
                                                   └──export.py──▶ OpenPose JSON

So OpenPose's networks go. With the two in the box, topdown.py takes decode.py's candidates, and blazepose.py cuts each
one out and places the keypoints. estimate.py is where a program begins: PoseEstimator for photos, VideoPoseEstimator
for clips. skeletons.py says what a body is, poses.py what is near and large. caffe_to_onnx.py reads OpenPose's files
for network.py. picture.py and video.py read photos and read and write clips, plot.py makes pictures of a clip's motion,
and cli.py is what both commands share. mobilenet/ and blazepose/ hold the networks in the box, where they come from and
the recipes that made them.

The data, said once:

people    float32 (N, K, 3): x, y in pixels of the source picture (the centre of its top-left pixel is 0, 0)
          and a score in [0, 1]. Score 0 means "not found", and then x = y = 0. Ask the score, never the
          coordinates. Strongest person first.
Maps      a network's output, (C, h, w): heatmaps and part affinity fields, with the way back to the picture.
          It alone turns cells into pixels.
Crop      a square of the picture around a person, turned so that they stand upright in it, with the way back.
Skeleton  names of keypoints, limbs between them, the channels of each limb's field. Frozen, 0-based.

The letters: N people, K keypoints, L limbs, C channels, h×w cells of a map, H×W pixels of a picture.
Units and order stand in names: size_wh, fps, t in seconds, cutoff in Hz.
"""


class PoseError(Exception):
    """Something a person can put right. Its text is one sentence that names the thing and the remedy."""
