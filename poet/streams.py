"""The names of a run's random streams: the purpose of each draw, and the ids that tell it from others.

Iterations count from 1; 0 is the start of the run.
"""

from __future__ import annotations

from environments.streams import Stream, StreamKey, stream_key


def initial_theta(seed: int) -> StreamKey:
    """The root agent's random weights."""
    return stream_key(seed, "initial_theta")


def root_terrain(seed: int, niche_id: int = 0) -> Stream:
    """A root niche's terrain seed."""
    return Stream(seed, "root_terrain", *([niche_id] if niche_id else []))


def root_genotype(seed: int) -> Stream:
    """The draws of an encoding for its easiest terrain, if any."""
    return Stream(seed, "root_genotype")


def es_sample(seed: int, iteration: int, niche_id: int) -> StreamKey:
    """A niche's generation."""
    return stream_key(seed, "es", iteration, niche_id)


def new_level(seed: int, level_id: int) -> Stream:
    """A level's genotype or the edits of its parent's, then its terrain seed; see ``poet.levels``."""
    return Stream(seed, "level", level_id)


def level_pushes(seed: int, level_id: int) -> Stream:
    """The pushes under which a new level is scored."""
    return Stream(seed, "level_pushes", level_id)


def level_members(seed: int, iteration: int) -> StreamKey:
    """The perturbed agents by which an iteration's new levels are scored."""
    return stream_key(seed, "level_members", iteration)


def level_choice(seed: int, iteration: int) -> Stream:
    """Whether an iteration plays levels again, and which."""
    return Stream(seed, "level_choice", iteration)


def proposal_sample(seed: int, iteration: int, target_id: int, source_id: int) -> StreamKey:
    """The ES step of a source's theta in a target niche."""
    return stream_key(seed, "transfer_proposal", iteration, target_id, source_id)


def transfer_confirmation(seed: int, iteration: int, target_id: int) -> Stream:
    """Instances on which a target's agent and the one that would replace it are compared again."""
    return Stream(seed, "transfer_confirmation", iteration, target_id)


def candidate_sample(seed: int, candidate_id: int, source_id: int) -> StreamKey:
    """The ES step of a source's theta in a candidate."""
    return stream_key(seed, "candidate_proposal", candidate_id, source_id)


def mutation(seed: int, candidate_id: int) -> Stream:
    """A candidate's parent, its mutation, and its terrain seed."""
    return Stream(seed, "mutation", candidate_id)


def niche_instances(seed: int, iteration: int, niche_id: int) -> Stream:
    """Terrain seeds of a niche's fresh instances in an iteration."""
    return Stream(seed, "niche_instances", iteration, niche_id)


def candidate_instances(seed: int, candidate_id: int) -> Stream:
    """Terrain seeds of a candidate's fresh instances."""
    return Stream(seed, "candidate_instances", candidate_id)


def validation_pushes(seed: int, niche_id: int) -> Stream:
    """The pushes under which a niche's agents are validated."""
    return Stream(seed, "validation_pushes", niche_id)


def admission_order(seed: int, candidate_id: int) -> Stream:
    """A candidate's place where ``novelty.order`` is random."""
    return Stream(seed, "admission_order", candidate_id)


def randomised_terrains(seed: int, iteration: int) -> Stream:
    """Genotypes and terrain seeds of a generation of domain randomisation."""
    return Stream(seed, "dr", iteration)


def ranged_terrains(seed: int, iteration: int) -> Stream:
    """Sizes and terrain seeds of a generation of automatic domain randomisation."""
    return Stream(seed, "adr", iteration)


def boundary_trials(seed: int, iteration: int) -> Stream:
    """Ends, sizes and terrain seeds of the trials of automatic domain randomisation, one trial after the other."""
    return Stream(seed, "adr_boundary", iteration)


def ppo_weights(seed: int) -> StreamKey:
    """The first weights of the trainer ``ppo``."""
    return stream_key(seed, "ppo_weights")


def ppo_actions(seed: int, iteration: int) -> StreamKey:
    """The noise on actions in an iteration of the trainer ``ppo``."""
    return stream_key(seed, "ppo_actions", iteration)


def ppo_batches(seed: int, iteration: int) -> StreamKey:
    """The order of steps in the batches of an iteration of the trainer ``ppo``."""
    return stream_key(seed, "ppo_batches", iteration)


def paced_order(seed: int) -> Stream:
    """The random order of a paced curriculum's terrains: a number for each, by id."""
    return Stream(seed, "paced_order")


def paced_terrains(seed: int, iteration: int) -> Stream:
    """The terrains of a generation of a paced curriculum, drawn from its pool."""
    return Stream(seed, "paced_terrains", iteration)


def order_pushes(seed: int, level_id: int) -> Stream:
    """The pushes under which a panel judges a terrain."""
    return Stream(seed, "order_pushes", level_id)


def next_terrain(seed: int, niche_id: int) -> Stream:
    """The genotype of a niche on a direct path, drawn from the last one's, then its terrain seed."""
    return Stream(seed, "curriculum", niche_id)


def meta_tasks(seed: int, iteration: int) -> Stream:
    """The tasks of an iteration of meta-learning, drawn from those of the run."""
    return Stream(seed, "meta_tasks", iteration)


def meta_pushes(seed: int, iteration: int, number: int) -> Stream:
    """The pushes under which agents adapt to a task of an iteration, by its number among those drawn."""
    return Stream(seed, "meta_pushes", iteration, number)


def meta_sample(seed: int, iteration: int, number: int, generation: int) -> StreamKey:
    """A generation of the adaptation to a task of an iteration; members of a pair of ES-MAML share it."""
    return stream_key(seed, "meta_sample", iteration, number, generation)
