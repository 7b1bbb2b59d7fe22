"""What a run is compared with: its neutral shadow, and ES on one of its terrains, alone or by a direct path."""

#: Replicates of a neutral shadow: with 99, a p value can be as low as the 0.01 that is asked for.
NUM_REPLICATES = 400
