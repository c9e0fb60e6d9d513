"""What the papers vary can be set by name, as text: what a run of the command line is made with."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.experiments import Config, ConfigError, Experiment

MEMORY = {"hidden": "5", "memory": "6x4", "heads": "2"}


def made(name, **settings):
    return Experiment(Config.of("copy", name, bits=2, **{"hidden": "5", **settings})).model()


VARIANTS = {
    "irnn": lambda: np.array_equal(made("rnn", activation="relu", W_h="identity").W_h.numpy(), np.eye(5)),
    "peephole": lambda: made("lstm", peephole="yes").peephole.shape == (3, 5),
    "coupled gates": lambda: made("lstm", coupled="yes").W_h.shape == (5, 15),
    "projection": lambda: [layer.W_x.shape[0] for layer in made("lstm", projection="4", layers="2").layers] == [3, 4],
    "the paper's gru": lambda: made("gru", reset_first="yes").c_n is None,
    "learned positions": lambda: made("transformer", hidden="8", positions="learned").table.shape == (1024, 8),
    "no positions": lambda: made("transformer", hidden="8", positions="none").table is None,
    "wider shifts": lambda: made("ntm", **MEMORY, shifts="2").shifts == 5,
    "read before": lambda: made("ntm", **MEMORY, read="before").order == made("mann", **MEMORY, read="before").order == "before",
    "learned start": lambda: all(v is not None for v in vars(made("ntm", **MEMORY, M_0="learned", w_0="learned", r_0="learned")).values()),
    "random memory": lambda: np.ptp(made("ntm", **MEMORY, M_0="random", w_0="uniform").initial_state(1).M.numpy(), 1).max() > 0,
    "nothing read": lambda: not made("ntm", **MEMORY, r_0="zeros").initial_state(1).r.numpy().any(),
    "faster decay": lambda: made("mann", **MEMORY, decay="0.95").decay == 0.95,
    "a deep controller": lambda: len(made("dnc", **MEMORY, layers="2").controller.layers) == 2,
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_chosen_by_name(variant):
    assert VARIANTS[variant]()


def test_a_symmetric_start_is_refused_by_name():
    with pytest.raises(ConfigError, match="ntm: M_0='constant' with w_0='uniform' is symmetric"):
        made("ntm", **MEMORY, w_0="uniform")
