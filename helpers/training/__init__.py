"""Training: the loop, several processes, more views of each picture, a finer encoder."""

from helpers.training.loop import set_seed, train, validation_scores
