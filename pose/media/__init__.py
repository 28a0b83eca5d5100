"""What comes and goes: photos and clips in, clips and results out, complete or not at all."""
