"""A first spec drawn up from data files and a few answers, every guess marked as a guess."""

from planner.drafting.document import Answers, Draft, Guess
from planner.drafting.draft import DATA_FLAGS, draft
from planner.drafting.splitting import Split, split_rows
from planner.drafting.writing import spec_as_yaml

__all__ = ["DATA_FLAGS", "Answers", "Draft", "Guess", "Split", "draft", "spec_as_yaml", "split_rows"]
