"""ES-MAML: evolution strategies whose fitness is an agent's return after it has adapted.

Reference: Song et al. 2020, ES-MAML: Simple Hessian-Free Meta Learning (arXiv 1910.01215), algorithm 3, with the
adaptations of section 3.3; google-research/es_maml. There one task is drawn for each perturbation, plain steps follow,
and returns are standardised; here the outer step is that of ``es.strategy``, both members of a pair have one task and
the draws of its adaptation, and a task may serve several pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.rollouts.request import Thetas, every_row
from poet import streams
from poet.events import Event, GenerationDone, OwnEvent
from poet.levels import Level
from poet.parts import Parts
from poet.scoring import cost
from poet.trainers.meta import (
    AbstractAdapting,
    MetaState,
    TaskAdapted,
    check_pairs,
    mean_fitness,
    move_agent,
    task_instances,
    training_cost,
)
from poet.types import Purpose


@dataclass(frozen=True)
class EsMaml(AbstractAdapting):
    """An ES step in each iteration on the return of adapted agents.

    With ``es.pairs`` = M it adapts 2M agents an iteration, each in ``generations`` of 2 ``inner_pairs`` episodes.

    Attributes:
        adaptation: hill climbing by default, which the paper prefers where exploration matters.
        inner_pairs: few, since so many agents adapt.
        pushes: one, so that climbing has no noise to fall for.
    """

    kind = "es-maml"
    events = AbstractAdapting.events - {TaskAdapted, GenerationDone}

    adaptation: str = "climb"
    generations: int = 5
    inner_pairs: int = 1
    pushes: int = 1

    def check_parts(self, parts: Parts) -> None:
        """See ``AbstractMeta``."""
        super().check_parts(parts)
        check_pairs(self.kind, self.terrains, parts.config.es.pairs)

    def learn(
        self, state: MetaState, tasks: Sequence[Level], parts: Parts
    ) -> tuple[MetaState, list[Event], list[OwnEvent]]:
        """See ``AbstractMeta``."""
        (niche,), iteration, strategy = state.active, state.iteration + 1, parts.strategy
        instances = [task_instances(task, self.pushes, parts, (iteration, i)) for i, task in enumerate(tasks)]
        (sample,) = strategy.ask(niche.optimiser, [streams.es_sample(parts.seed, iteration, niche.id)])
        rows = np.arange(sample.num_rows)
        numbers = ((rows // 2 if sample.antithetic else rows) % len(tasks)).tolist()
        adapted = self.adapt(sample.theta(rows), numbers, instances, iteration, parts)

        blocks = [
            every_row(Thetas(theta[None, :]), instances[number])
            for theta, number in zip(adapted.path[-1], numbers, strict=True)
        ]
        tried = parts.run_blocks(blocks, Purpose.ES)
        fitness = np.array([[mean_fitness(result) for result in tried]])
        optimiser = strategy.tell(niche.optimiser, [sample], fitness)
        state, moved = move_agent(state, optimiser, tuple(one[0] for one in instances), parts)
        spent = [cost(iteration, niche.id, Purpose.ES, result) for result in tried]
        return state, [*moved, training_cost(iteration, adapted), *spent], []
