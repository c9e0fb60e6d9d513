"""What the papers vary can be set by name, as text: what a run of the command line is made with."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import DNC, MANN, NTM, SAM

import minigrad as mg
from minigrad.experiments import MODELS, Config, ConfigError, Experiment
from minigrad.experiments.config import model_settings

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
    "shared keys": lambda: made("transformer", hidden="8", kv_heads="2").blocks[0].attention.kv_heads == 2,
    "norms after": lambda: made("transformer", hidden="8", norms="post").norm is None,
    "wider shifts": lambda: made("ntm", **MEMORY, shifts="2").shifts == 5,
    "read before": lambda: made("ntm", **MEMORY, read="before").order == made("mann", **MEMORY, read="before").order == "before",
    "learned start": lambda: all(v is not None for v in vars(made("ntm", **MEMORY, M_0="learned", w_0="learned", r_0="learned")).values()),
    "random memory": lambda: np.ptp(made("ntm", **MEMORY, M_0="random", w_0="uniform").initial_state(1).M.numpy(), 1).max() > 0,
    "nothing read": lambda: not made("ntm", **MEMORY, r_0="zeros").initial_state(1).r.numpy().any(),
    "faster decay": lambda: made("mann", **MEMORY, decay="0.95").decay == 0.95,
    "R at random": lambda: made("slstm", heads="1", W_h="uniform").R.numpy().any(),
    "exponential forget gates": lambda: made("mlstm", heads="1", forget="exp").forget == "exp",
    "negative eigenvalues": lambda: [layer.negative for layer in made("s6", negative_eigenvalues="yes", layers="2").layers] == [True, True],
    "a deep controller": lambda: len(made("dnc", **MEMORY, layers="2").controller.layers) == 2,
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_chosen_by_name(variant):
    assert VARIANTS[variant]()


def test_a_symmetric_start_is_refused_by_name():
    with pytest.raises(ConfigError, match="ntm: M_0='constant' with w_0='uniform' is symmetric"):
        made("ntm", **MEMORY, w_0="uniform")


WEIGHTS = "W_h orthogonal|identity|glorot|uniform orthogonal"
OPTIONS = {
    "rnn": f"hidden INT 100, layers INT 1, activation tanh|relu tanh, {WEIGHTS}",
    "lstm": f"hidden INT 100, layers INT 1, longest INT 0, peephole yes|no no, coupled yes|no no, projection INT 0, {WEIGHTS}",
    "gru": f"hidden INT 100, layers INT 1, reset_first yes|no no, {WEIGHTS}",
    "attention": "hidden INT 100, score general|dot|concat|bahdanau general",
    "transformer": "hidden INT 64, layers INT 2, heads INT 4, kv_heads INT 0, positions sinusoids|learned|rotary|none sinusoids, "
    "norms pre|post pre",
    "ntm": "controller lstm|ff lstm, hidden INT 100, memory SLOTSxWIDTH 128x20, heads INT 1, layers INT 1, "
    "start plain|location|weak-location plain, M_0 constant|learned|random constant, w_0 focused|learned|uniform focused, "
    "r_0 learned|zeros learned, shifts INT 1, read after|before after",
    "mann": "controller lstm|ff lstm, hidden INT 200, memory SLOTSxWIDTH 128x40, heads INT 4, content key|add key, strength yes|no no, "
    "decay FLOAT 0.99, read after|before after",
    "dnc": "controller lstm|ff lstm, hidden INT 100, memory SLOTSxWIDTH 64x20, heads INT 1, layers INT 1",
    "linear-attention": "hidden INT 64, layers INT 1, heads INT 2, feature elu|dpfp elu, nu INT 1, normalised yes|no yes, "
    "rule sum|delta sum, convolution yes|no no, norm yes|no no, output_gate yes|no no",
    "deltanet": "hidden INT 64, layers INT 1, heads INT 2, gated yes|no no, product INT 1, negative_eigenvalues yes|no no, "
    "S_0 zeros|learned zeros, convolution yes|no yes, norm yes|no yes, output_gate yes|no no, chunk INT 0",
    "fast-weights": "hidden INT 100, layers INT 1, inner INT 1, A_decay FLOAT 0.95, A_rate FLOAT 0.5",
    "rwkv7": "hidden INT 64, layers INT 1, heads INT 2",
    "slstm": "hidden INT 100, heads INT 4, layers INT 1, forget sigmoid|exp sigmoid, convolution yes|no no, norm yes|no yes, "
    "W_h zeros|uniform zeros, b_f falling|high falling",
    "mlstm": "hidden INT 100, heads INT 4, layers INT 1, forget sigmoid|exp sigmoid, convolution yes|no no, norm yes|no yes, "
    "output_gate sigmoid|silu|none sigmoid, chunk INT 0",
    "mingru": "hidden INT 100, layers INT 1, longest INT 0, chunk INT 0",
    "minlstm": "hidden INT 100, layers INT 1, longest INT 0, chunk INT 0",
    "s6": "hidden INT 100, layers INT 1, states INT 16, expand INT 2, discretisation code|exact code, "
    "negative_eigenvalues yes|no no, h_0 zeros|learned zeros, convolution yes|no no, output_gate yes|no yes, skip yes|no yes",
    "ttt": "hidden INT 32, layers INT 1, heads INT 1, network linear|mlp linear, mini_batch INT 16, dual yes|no no, plain yes|no no, "
    "convolution yes|no yes, norm yes|no yes, output_gate yes|no no",
    "titans": "hidden INT 32, layers INT 1, heads INT 1, depth INT 2, bound FLOAT 0.5, convolution yes|no yes, norm yes|no yes, "
    "output_gate yes|no no",
    "memn2n": "hidden INT 20, hops INT 3, sentences INT 50, separator INT -1, linear yes|no no",
    "hopfield": "hidden INT 100, updates INT 1, beta FLOAT 0, kernel INT 4",
    "cnn": "hidden INT 100, kernel INT 9, layers INT 1",
    "sam": "controller lstm|ff lstm, hidden INT 100, memory SLOTSxWIDTH 128x20, heads INT 1, nearest INT 4",
    "stack-rnn": "hidden INT 100, stacks INT 2, cells INT 100, cell_size INT 1, top INT 2, no_op yes|no yes, rounded yes|no no, "
    f"activation sigmoid|tanh|relu sigmoid, {WEIGHTS}",
    "tape-rnn": "hidden INT 100, cells INT 100, cell_size INT 8, writer INT 64, jump counted|given counted, "
    f"activation tanh|relu relu, {WEIGHTS.removesuffix('orthogonal')}glorot",
    "feedforward": "hidden INT 200",
}


def test_the_options_of_every_model():
    """Name, form and default, in this order."""
    found = {m: ", ".join(f"{s.name} {s.form} {s.show(s.default)}" for s in model_settings(m).values()) for m in MODELS}
    assert found == {name: f"{text}, embedding INT 0, image INT 0" for name, text in OPTIONS.items()}


def test_an_option_has_one_help_text_whichever_model_has_it():
    texts = {}
    for model in MODELS:
        for setting in model_settings(model).values():
            assert texts.setdefault(setting.name, setting.help) == setting.help != ""
    assert texts["decay"] == "of usage in a step"
    assert texts["positions"] == "how positions are told; learned: up to 1024"


@pytest.mark.parametrize(("name", "constructor"), {"ntm": NTM, "mann": MANN, "dnc": DNC, "sam": SAM}.items())
def test_a_model_made_by_name_is_what_its_constructor_makes(name, constructor):
    made, plain = MODELS[name](5, 3, 2), constructor(3, 2, key=5)
    assert mg.tree.flatten(made)[1] == mg.tree.flatten(plain)[1]
    assert all((a.numpy() == b.numpy()).all() for a, b in zip(mg.tree.leaves(made), mg.tree.leaves(plain), strict=True))


def test_a_setting_that_a_model_does_not_have_is_refused():
    with pytest.raises(TypeError, match="memory"):
        MODELS["rnn"](0, 3, 2, memory=(4, 3))


def test_the_heads_of_a_setting_read_and_write():
    model = made("ntm", hidden="5", memory="6x4", heads="3")
    assert (model.read_heads, model.write_heads) == (3, 3)
    assert made("dnc", hidden="5", memory="6x4", heads="3").read_heads == 3


@pytest.mark.parametrize("name", MODELS)
def test_an_output_depends_on_no_later_input_and_on_no_other_sequence(name):
    settings = {"hidden": "8"} | ({"memory": "6x4"} if name in ("ntm", "mann", "dnc", "sam") else {})
    model = Experiment(Config.of("copy", name, bits=2, **settings)).model()
    xs = np.random.default_rng(0).standard_normal((6, 3, model.inputs), dtype="float32")
    other = xs.copy()
    other[4:], other[:, 1:] = 7, -3
    np.testing.assert_allclose(model(other).numpy()[:4, 0], model(xs).numpy()[:4, 0], rtol=1e-5, atol=1e-6)
    assert (model(other).numpy()[:4, 1] != model(xs).numpy()[:4, 1]).any()
