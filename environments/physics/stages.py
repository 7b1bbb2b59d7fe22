"""Where a step's time goes: kernels charge ticks of the processor's clock to stages, in an array ``spent``.

``spent`` is (NUM_STAGES + 1,) int64: ticks by stage, then whether the 180 velocity passes are split into joints and
contacts, which costs a little time. Otherwise all of it counts as joints.
"""

from __future__ import annotations

from environments.compiled import inline_kernel, ticks

NAMES = ("joints", "contacts", "position", "collision", "impact", "lidar and reward", "policy", "rest")
JOINTS, CONTACTS, POSITION, COLLISION, IMPACT, LIDAR, POLICY, REST = range(len(NAMES))
NUM_STAGES = len(NAMES)
IS_DETAILED = NUM_STAGES


@inline_kernel
def charge(spent, stage, began):  # type: ignore[no-untyped-def]
    """Charge the ticks since ``began`` to a stage. Returns the present tick."""
    now = ticks()
    spent[stage] += now - began
    return now
