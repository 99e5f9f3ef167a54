"""A blind comparison of two folders of portraits: pairs, the page that asks, and the arithmetic of the answers."""

from portraitist.comparing.pairs import Pair, make_pairs
from portraitist.comparing.votes import QUESTIONS, Tally, Vote, Votes, read_votes, tally, wilson

__all__ = ["QUESTIONS", "Pair", "Tally", "Vote", "Votes", "make_pairs", "read_votes", "tally", "wilson"]
