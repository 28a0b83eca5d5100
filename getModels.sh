#!/bin/sh
# usage: ./getModels.sh [coco] [mpi] [--model_folder DIR]
# Fetches OpenPose's networks, 200 MB each (no name: both), into DIR (default: pose/ beside this script).
# A file is fetched as NAME.part and gets its own name only when its hash is right. After a broken download the .part
# stays: the next mirror or run goes on from it. Needs curl; runs on Linux, macOS and in Git Bash.
set -u

about() { # sets what there is to know of the network $1; mirrors: best first
    case $1 in
    coco)
        file=pose_iter_440000.caffemodel bytes=209274056 sha=256
        hash=b4cf475576abd7b15d5316f1ee65eb492b5c9f5865e70a2e7882ed31fb682549
        synopsys=https://media.githubusercontent.com/media/foss-for-synopsys-dwc-arc-processors/synopsys-caffe-models
        last=$synopsys/master/caffe_models/openpose/caffe_model/$file ;;
    mpi)
        file=pose_iter_160000.caffemodel bytes=205950363 sha=1 # OpenCV's own test data pins the SHA-1
        hash=a344f4da6b52892e44a0ca8a4c68ee605fc611cf
        last='' ;;
    esac
    mirrors="https://dl.opencv.org/models/openpose_pose_$1.caffemodel
        https://huggingface.co/camenduru/openpose/resolve/main/models/pose/$1/$file
        https://huggingface.co/gaijingeek/openpose-models/resolve/main/pose/$1/$file
        http://vcl.snu.ac.kr/OpenPose/models/pose/$1/$file $last"
    path=$folder/$1/$file
}

say() { printf '%s\n' "$*" >&2; }
die() { code=$1 && shift && say "$*"; exit "$code"; }
size() { if [ -f "$1" ]; then echo $(($(wc -c <"$1"))); else echo 0; fi; }
checksum() { if command -v sha256sum >/dev/null; then "sha${sha}sum"; else shasum -a "$sha"; fi; }
is_right() { [ "$(size "$1")" -eq "$bytes" ] && sum=$(checksum <"$1") && [ "${sum%% *}" = "$hash" ]; }

fetch() { # puts the file at $path, from the first mirror that gives it; fails where none does
    part=$path.part
    for url in $mirrors $mirrors; do # twice: where a connection broke, it goes on
        say "$name: $url"
        had=$(size "$part")
        # Not --retry: curl would begin each retry where it began before, and throw away what has come since.
        curl "$show" --fail --location --max-filesize "$bytes" --connect-timeout 15 --speed-limit 8192 --speed-time 20 \
            --continue-at - --output "$part" "$url"
        status=$?
        is_right "$part" && mv -f "$part" "$path" && return
        [ $status -ne 23 ] || die 1 "Cannot write $part: make room or choose another --model_folder; what came is kept."
        [ $status -ne 0 ] || say "$name: not the genuine file (a web page?)"
        # What a mirror that ends well has added, and what is complete, is of another file: nothing to go on from.
        if { [ $status -eq 0 ] && [ "$(size "$part")" -ne "$had" ]; } || [ "$(size "$part")" -ge "$bytes" ]; then
            rm -f "$part"
        fi
    done
    say "To fetch $name by hand, save one of these as $path (to start over, delete its .part)"
    for url in $mirrors; do say "  $url"; done
    return 1
}

folder=$(dirname -- "$(readlink -f "$0")")/pose names='' # readlink: called through a link
while [ $# -gt 0 ]; do
    case $1 in
    coco | mpi | COCO | MPI) names="$names $(echo "$1" | tr '[:upper:]' '[:lower:]')" ;;
    --model_folder=?*) folder=${1#*=} ;;
    --model_folder)
        [ -n "${2-}" ] || die 2 "--model_folder needs a folder; --help explains."
        folder=$2 && shift ;;
    -h | --help) sed -n '2,5s/^# //p' "$0" && exit ;;
    *) die 2 "There is no '$1', only coco, mpi and --model_folder DIR; --help explains." ;;
    esac
    shift
done
if [ -t 2 ]; then show=--progress-bar; else show=-sS; fi

echo "OpenPose's weights: for non-commercial research only; not to be redistributed, not even converted."
command -v curl >/dev/null || die 1 "curl is needed: install it (such as: sudo apt install curl) and run this again."
command -v sha256sum >/dev/null || command -v shasum >/dev/null || die 1 "sha256sum or shasum is needed: install one."
trap 'die 130 "Stopped. What has come so far is kept: the same command goes on from there."' INT

code=0
for name in ${names:-coco mpi}; do
    about "$name"
    { mkdir -p -- "$folder/$name" 2>/dev/null && [ -w "$folder/$name" ]; } ||
        die 1 "Cannot write $path: make that folder writable or choose another --model_folder."
    if is_right "$path" || fetch; then state="$((bytes / 1000000)) MB"; else state='not there' code=1; fi
    set -- "$@" "$(printf '%-4s  %9s  %s' "$name" "$state" "$path")"
done
printf '%s\n' "$@"
exit $code
