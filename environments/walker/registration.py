"""How ``gymnasium.make("BipedalTerrain-v0")`` and ``gymnasium.make("poet/BipedalWalker-v3")`` find our envs.

Since release 1.0 Gymnasium ignores entry points: whoever offers an env registers it. We do so when Gymnasium is
imported, and never import it for that: workers that do not need it must stay light.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ENV_ID = "BipedalTerrain-v0"
_ENTRY_POINT = "environments.walker.env:BipedalTerrainEnv"
_VECTOR_ENTRY_POINT = "environments.walker.vector_env:make_registered"
WALKER_ID, HARDCORE_ID = "poet/BipedalWalker-v3", "poet/BipedalWalkerHardcore-v3"
_WALKER_ENTRY_POINT = "environments.walker.bipedal_walker:BipedalWalkerEnv"
_WALKER_VECTOR_ENTRY_POINT = "environments.walker.bipedal_walker_vector:make_bipedal_walkers"
#: The time limits that Gymnasium registers, control steps, and the return from which on its walker counts as able.
_PLAIN_STEPS, _HARDCORE_STEPS, _REWARD_THRESHOLD = 1600, 2000, 300


def register_envs() -> None:
    """Make our envs known to Gymnasium; a second call changes nothing.

    Time limits are Gymnasium's, as its users expect: ``max_episode_steps`` of ``make`` and ``make_vec`` sets another.
    """
    import gymnasium

    from environments.biped import MAX_STEPS

    if ENV_ID not in gymnasium.registry:
        gymnasium.register(
            id=ENV_ID,
            entry_point=_ENTRY_POINT,
            vector_entry_point=_VECTOR_ENTRY_POINT,
            max_episode_steps=MAX_STEPS,
            kwargs={"max_steps": None},  # the env itself leaves it to Gymnasium's TimeLimit
        )
    for env_id, is_hardcore, limit in ((WALKER_ID, False, _PLAIN_STEPS), (HARDCORE_ID, True, _HARDCORE_STEPS)):
        if env_id not in gymnasium.registry:
            gymnasium.register(
                id=env_id,
                entry_point=_WALKER_ENTRY_POINT,
                vector_entry_point=_WALKER_VECTOR_ENTRY_POINT,
                max_episode_steps=limit,
                reward_threshold=_REWARD_THRESHOLD,
                kwargs={"hardcore": is_hardcore},
            )


def register_when_gymnasium_is_imported() -> None:
    """Call ``register_envs`` now if Gymnasium has been imported, otherwise as soon as it is."""
    if "gymnasium" in sys.modules:
        register_envs()
    elif not any(isinstance(finder, _RegisterAfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RegisterAfterImport())


class _RegisterAfterImport(MetaPathFinder):
    """Waits for ``import gymnasium``, lets the usual loader run, registers, and removes itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_register(module: ModuleType) -> None:
                run(module)
                register_envs()

            spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec
