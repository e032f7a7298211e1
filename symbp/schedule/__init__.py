"""When values are computed, how long they are kept, and what is computed twice so that fewer are kept.

`lifetimes` says from which equation to which every tensor of a Program lives, `recompute` is the pass that computes
some again where they are read after a turning point, `plan` chooses which for a budget of bytes.
"""

from symbp.schedule.lifetimes import Life, Timeline, timeline, turning_point
from symbp.schedule.plan import Plan, Planner
from symbp.schedule.recompute import recompute

__all__ = ["Life", "Plan", "Planner", "Timeline", "recompute", "timeline", "turning_point"]
