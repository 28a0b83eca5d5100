#!/bin/sh
# Fetch OpenPose's networks: ./getModels.sh [coco] [mpi] [--model_folder DIR]
# A file is fetched as NAME.part and gets its own name when its hash is right, never before. After a broken download
# the .part stays: the next mirror or run goes on from it. Needs curl; runs on Linux, macOS and in Git Bash.
set -u

about() { # sets what there is to know of the network $1; mirrors: best first
    case $1 in
    coco)
        file=pose_iter_440000.caffemodel bytes=209274056 sha=256
        hash=b4cf475576abd7b15d5316f1ee65eb492b5c9f5865e70a2e7882ed31fb682549
        synopsys=https://media.githubusercontent.com/media/foss-for-synopsys-dwc-arc-processors/synopsys-caffe-models
        mirrors="https://dl.opencv.org/models/openpose_pose_coco.caffemodel
            https://huggingface.co/camenduru/openpose/resolve/main/models/pose/coco/$file
            https://huggingface.co/gaijingeek/openpose-models/resolve/main/pose/coco/$file
            http://vcl.snu.ac.kr/OpenPose/models/pose/coco/$file
            $synopsys/master/caffe_models/openpose/caffe_model/$file" ;;
    mpi)
        file=pose_iter_160000.caffemodel bytes=205950363 sha=1 # OpenCV's own test data pins the SHA-1
        hash=a344f4da6b52892e44a0ca8a4c68ee605fc611cf
        mirrors="https://dl.opencv.org/models/openpose_pose_mpi.caffemodel
            https://huggingface.co/camenduru/openpose/resolve/main/models/pose/mpi/$file
            https://huggingface.co/gaijingeek/openpose-models/resolve/main/pose/mpi/$file
            http://vcl.snu.ac.kr/OpenPose/models/pose/mpi/$file" ;;
    esac
    path=$folder/$1/$file
}

say() { printf '%s\n' "$*" >&2; }
die() { code=$1 && shift && say "$*"; exit "$code"; }
size() { if [ -f "$1" ]; then echo $(($(wc -c <"$1"))); else echo 0; fi; }

is_right() {
    [ "$(size "$1")" -eq "$bytes" ] || return 1
    sum=$(if command -v sha256sum >/dev/null; then "sha${sha}sum"; else shasum -a "$sha"; fi <"$1")
    [ "${sum%% *}" = "$hash" ]
}

take() { is_right "$1" && mv -f "$1" "$path" && rm -f "$path.part" "$path.whole.part"; }

fetch() { # put the file in its place, from the first mirror that gives it
    take "$path.part" && return
    for url in $mirrors; do
        say "$name: $url"
        part=$path.part breaks=0
        while [ "$breaks" -lt 3 ]; do
            [ "$(size "$part")" -lt "$bytes" ] || rm -f "$part" # complete and wrong: nothing to go on from
            had=$(size "$part")
            # Not --retry: curl would begin each retry where it began before, and throw away what has come since.
            curl "$show" --fail --location --proto =http,https --max-filesize "$bytes" --connect-timeout 15 \
                --speed-limit 8192 --speed-time 20 --continue-at - --output "$part" "$url"
            case $? in
            0)
                take "$part" && return
                say "$name: not the genuine file (web page?)"
                [ "$(size "$part")" -gt "$had" ] || break # nothing was added to the .part, which may be good
                rm -f "$part"
                [ "$had" -gt 0 ] || break ;; # else the .part was of something else: once more from the start
            18 | 56 | 92) breaks=$((breaks + 1)) && sleep 1 ;; # the connection broke: goes on from there
            23) die 1 "Cannot write $part: make room or choose another --model_folder; what has come so far is kept." ;;
            33) part=$path.whole.part && rm -f "$part" ;; # sends only all of it; a web page must not cost us the .part
            *) break ;;
            esac
        done
    done
    return 1
}

me=$0
while [ -h "$me" ]; do # called through a link
    link=$(readlink "$me")
    case $link in /*) me=$link ;; *) me=$(dirname -- "$me")/$link ;; esac
done
folder=$(CDPATH='' cd -- "$(dirname -- "$me")" && pwd)/pose coco='' mpi=''
while [ $# -gt 0 ]; do
    case $1 in
    coco | COCO) coco=coco ;;
    mpi | MPI) mpi=mpi ;;
    --model_folder=?*) folder=${1#*=} ;;
    --model_folder)
        folder=${2-}
        [ -n "$folder" ] || die 2 "--model_folder needs a folder; --help explains."
        shift ;;
    -h | --help)
        echo "usage: ./getModels.sh [coco] [mpi] [--model_folder DIR]"
        echo "Fetches OpenPose's networks, 200 MB each (no name: both), into DIR (default: $folder)."
        exit ;;
    mobilenet) die 2 "mobilenet comes with the repository and needs no fetching, only coco and mpi do." ;;
    *) die 2 "There is no '$1', only coco, mpi and --model_folder DIR; --help explains." ;;
    esac
    shift
done
[ -n "$coco$mpi" ] || coco=coco mpi=mpi
case $folder in /* | [A-Za-z]:*) ;; *) folder=$PWD/$folder ;; esac # [A-Za-z]: is for Windows
if [ -t 2 ]; then show=--progress-bar; else show=-sS; fi

echo "OpenPose's weights: for non-commercial research only; not to be redistributed, not even converted."
command -v curl >/dev/null || die 1 "curl is needed: install it (such as: sudo apt install curl) and run this again."
command -v sha256sum >/dev/null || command -v shasum >/dev/null ||
    die 1 "sha256sum or shasum is needed: install coreutils or perl and run this again."
trap '[ ! -t 2 ] || say; die 130 "Stopped. What has come so far is kept: the same command goes on from there."' INT

needed='' missing=' '
for name in $coco $mpi; do
    about "$name"
    if is_right "$path"; then
        say "$name: there and right, not fetched again"
        continue
    fi
    [ ! -f "$path" ] || say "$name: there but wrong, to be replaced"
    if ! mkdir -p -- "$folder/$name" 2>/dev/null || [ ! -w "$folder/$name" ] || [ -d "$path" ]; then
        die 1 "Cannot write $path: mend that or choose another --model_folder."
    fi
    needed="$needed $name"
done
for name in $needed; do
    about "$name"
    fetch || missing="$missing$name "
done
for name in $coco $mpi; do
    about "$name"
    state="$((bytes / 1000000)) MB"
    case $missing in *" $name "*) if [ -e "$path" ]; then state=wrong; else state=missing; fi ;; esac
    printf '%-4s  %7s  %s\n' "$name" "$state" "$path"
done
for name in $missing; do
    about "$name"
    say "To fetch $name by hand, save one of these as $path"
    for url in $mirrors; do say "  $url"; done
done
[ "$missing" = ' ' ]
