"""ACCEL: robust prioritised level replay whose new levels are easy, and whose good levels are edited.

Reference: Parker-Holder et al. 2022, Evolving Curricula with Regret-Based Environment Design; ``envs/runners`` and
``train_scripts/grid_configs/bipedal`` of facebookresearch/dcd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from environments.streams import Stream
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.obstacles import ObstacleSettings
from poet import streams
from poet.levels import Level, Played, best_first, genotype_of, make_level
from poet.parts import Parts
from poet.scoring import draw_terrain_seed
from poet.trainers.levels import Fate, LevelsState, note
from poet.trainers.plr import Phase, Plr


@dataclass(frozen=True)
class Accel(Plr):
    """As ``Plr``, with easy new levels, and with children of good levels after each replay.

    New levels are the easiest terrain after one mutation as the config has it. With ``mutation.genes = "all"`` that is
    dcd's easy generator: every obstacle at its first interval, on ground of a roughness up to 0.6.

    The parents are the replayed levels with the highest scores. The paper says so. The released code meant those with a
    high return and a small loss of the critic, but took the lowest ones, and later one level for all.

    An edit mutates one enabled gene group, drawn evenly: one or both ends of its interval move by a step, or roughness
    moves within a step. In dcd an edit moves one end of one interval, up, down or not at all. A genotype without gene
    groups mutates as the config has it.

    Attributes:
        replay_prob: as in ``Plr`` (dcd: 0.9).
        parents: replayed levels that are edited after each replay (dcd: 4).
        children: of each of them (dcd: 4).
        edits: between parent and child (dcd: 3).
    """

    kind = "accel"
    unused = ("poet", "novelty", "transfer", "niche", "es.on_arrival", "trainer.source", "ppo")

    replay_prob: float = 0.9
    parents: int = 4
    children: int = 4
    edits: int = 3

    def check_genotype(self, parts: Parts) -> None:
        """Every genotype has an easiest terrain and mutations."""

    def new_level(self, level_id: int, parts: Parts) -> Level:
        """The easiest terrain after one mutation."""
        stream = streams.new_level(parts.seed, level_id)
        genotype = parts.genotype_type.initial(parts.settings, stream).mutate(stream, parts.settings)
        return make_level(level_id, genotype, draw_terrain_seed(stream))

    def replay(self, state: LevelsState, parts: Parts, levels: Sequence[Level]) -> Phase:
        """Take an ES step on levels of the buffer, then look at children of the best of them."""
        state, found, events = self.train(state, parts, levels)
        noted = note(state.iteration + 1, Fate.PLAYED, found)
        state, children = self.edit(state, parts, best_first(found)[: self.parents])
        state, spent, entered = self.look_at(state, parts, children)
        return state, events + spent, noted + entered

    def edit(self, state: LevelsState, parts: Parts, parents: Sequence[Played]) -> tuple[LevelsState, list[Level]]:
        """Make the children of some levels, parent by parent."""
        of = [parent.level for parent in parents for _ in range(self.children)]
        first = state.next_level_id
        children = [self._child(level_id, parent, parts) for level_id, parent in enumerate(of, first)]
        return replace(state, next_level_id=first + len(of)), children

    def _child(self, level_id: int, parent: Level, parts: Parts) -> Level:
        stream, genotype = streams.new_level(parts.seed, level_id), genotype_of(parent, parts)
        for _ in range(self.edits):
            genotype = _edited(genotype, stream, parts)
        return make_level(level_id, genotype, draw_terrain_seed(stream), parent.id)


def _edited(genotype: AbstractGenotype, stream: Stream, parts: Parts) -> AbstractGenotype:
    settings = parts.settings
    if isinstance(settings, ObstacleSettings):
        settings = replace(settings, obstacles=(stream.choice(settings.obstacles),))
    return genotype.mutate(stream, settings)
