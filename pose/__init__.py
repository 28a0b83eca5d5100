"""Find people's poses with OpenCV: the five-minute tour.

    picture ──network.py──▶ Maps ──decode.py──▶ people ──draw.py──▶ picture
              (maps.py: there and back)            │──track.py──▶ the same people, frame after frame
                                                   └──export.py──▶ OpenPose JSON

look.py goes that way twice: once for the whole picture, then closer for each person; in a clip it looks where people
were. skeletons.py says what a body is. For network.py, caffe.py reads OpenPose's files and tensorflow.py the small
network's (protobuf.py, in which they are written), and onnx.py writes what OpenCV 5 likes best. picture.py and video.py
read photos and read and write clips, plot.py makes pictures of a clip's motion, cli.py is what both commands share, and
fetch.py is a command of its own: it fetches the weights.

The data, said once:

people    float32 (N, K, 3): x, y in pixels of the source picture (the centre of its top-left pixel is 0, 0)
          and a score in [0, 1]. Score 0 means "not found", and then x = y = 0. Ask the score, never the
          coordinates. Strongest person first.
Maps      what a network says, (C, h, w): heatmaps and part affinity fields, with the way back to the picture.
          It alone turns cells into pixels.
Skeleton  names of keypoints, limbs between them, the channels of each limb's field. Frozen, 0-based.

The letters: N people, K keypoints, L limbs, C channels, h×w cells of a map, H×W pixels of a picture.
Units and order stand in names: size_wh, fps, t in seconds, cutoff in Hz.

This file imports nothing, so that `python3 -m pose.fetch` runs before anything is installed.
"""


class PoseError(Exception):
    """Something a person can put right. Its text is one sentence that names the thing and the remedy."""
