"""minigrad in GradBench: the protocol, and each eval's value and derivative against formulas of NumPy and finite differences."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import linalg, special, stats

import minigrad as mg
from benchmarks.gradbench import descent, report, session
from benchmarks.gradbench.evals import ba, det, gmm, ht, kmeans, llsq, lse, lstm, ode, particle, saddle
from benchmarks.gradbench.tool import Tool

rng = np.random.default_rng(0)


def values(task):
    """The task's answer by the interpreter."""
    return task.answer(task.program(*task.arguments))


def slope(f, x, step=1e-6):
    """The gradient of f by central differences."""
    x = np.array(x, float)
    return np.array([(f(x + d) - f(x - d)) / (2 * step) for d in step * np.eye(x.size).reshape(x.size, *x.shape)]).reshape(x.shape)


def close(a, b, **kwargs):
    np.testing.assert_allclose(a, b, **({"rtol": 1e-6, "atol": 1e-8} | kwargs))


# ---- the protocol


def test_a_session_in_a_process_of_its_own():
    runs = {"min_runs": 3, "min_seconds": 0}
    messages = [
        {"kind": "start", "eval": "lse"},
        {"kind": "define", "module": "unheard of"},
        {"kind": "define", "module": "lse"},
        {"kind": "evaluate", "module": "lse", "function": "gradient", "input": {"x": [1.0, 2.0]} | runs},
        {"kind": "evaluate", "module": "lse", "function": "gradient", "input": {"x": [3.0, 3.0]} | runs},
        {"kind": "evaluate", "module": "lse", "function": "integral", "input": {"x": [3.0, 3.0]} | runs},
        {"kind": "evaluate", "module": "hello", "function": "double", "input": 3.0},
        {"kind": "analysis", "of": 3, "valid": True},
    ]
    lines = "".join(json.dumps({"id": i} | m) + "\n" for i, m in enumerate(messages))
    program = [sys.executable, "-m", "benchmarks.gradbench.tool"]
    done = subprocess.run(program, input=lines, capture_output=True, text=True, check=True)
    start, unknown, known, first, second, failed, hello, analysis = map(json.loads, done.stdout.splitlines())
    assert (start, analysis) == ({"id": 0, "tool": "minigrad"}, {"id": 7})
    assert (unknown["success"], known["success"], failed["success"]) == (False, True, False)
    assert "integral" in failed["error"]
    close(first["output"], special.softmax([1.0, 2.0]))
    close(second["output"], [0.5, 0.5])
    assert [t["name"] for t in first["timings"]] == ["prepare", "evaluate", "evaluate", "evaluate"]
    assert hello["output"] == 6


def test_a_program_is_compiled_once_for_equal_inputs():
    tool, built = Tool(), []
    prepare = tool.prepare
    tool.prepare = lambda *message: (built.append(message), prepare(*message))
    for x, seconds in (([1.0], 0), ([1.0], 0.001), ([2.0], 0)):
        assert tool.evaluate("lse", "primal", {"x": x, "min_runs": 1, "min_seconds": seconds})["output"] == x[0]
    assert len(built) == 2


# ---- evals


def lstm_loss(main, extra, state, sequence):
    (h, c), b = (np.array(state[i::2]) for i in (0, 1)), sequence.shape[1]
    total, sigmoid = 0.0, special.expit
    for x, gold in itertools.pairwise(sequence):
        x = x * extra[0]
        for i in range(len(h)):
            (wf, wi, wo, wc), (bf, bi, bo, bc) = main[2 * i].reshape(4, b), main[2 * i + 1].reshape(4, b)
            c[i] = c[i] * sigmoid(x * wf + bf) + sigmoid(h[i] * wi + bi) * np.tanh(h[i] * wc + bc)
            h[i] = x = sigmoid(x * wo + bo) * np.tanh(c[i])
        y = x * extra[1] + extra[2]
        total += gold @ (y - np.log(np.exp(y).sum() + 2))
    return -total / (b * (len(sequence) - 1))


def test_lstm():
    main, extra, state, sequence = (rng.random(s) for s in ((4, 12), (3, 3), (4, 3), (5, 3)))
    input = {"main_params": main, "extra_params": extra, "state": state, "sequence": sequence}
    close(values(lstm.objective(input)), lstm_loss(main, extra, state, sequence))
    grads = slope(lambda m: lstm_loss(m, extra, state, sequence), main), slope(lambda e: lstm_loss(main, e, state, sequence), extra)
    close(values(lstm.jacobian(input)), np.concatenate([np.ravel(g) for g in grads]), atol=1e-7)


def posterior(x, m, gamma, alpha, mu, q, lower):
    """By the definition: densities of SciPy."""
    d, prior, densities = x.shape[1], 0.0, 0.0
    for a, centre, diagonal, below in zip(special.softmax(alpha), mu, q, lower, strict=True):
        Q = np.diag(np.exp(diagonal))
        Q.T[np.triu_indices(d, 1)] = below
        precision = Q.T @ Q
        densities = densities + a * stats.multivariate_normal(centre, linalg.inv(precision)).pdf(x)
        prior += stats.wishart(d + m + 1, np.eye(d) / gamma**2).logpdf(precision)
    return np.sum(np.log(densities)) + prior


def test_gmm():
    d, k, n, m, gamma = 3, 2, 4, 1, 1.5
    x, alpha, mu, q, lower = (rng.standard_normal(s) for s in ((n, d), (k,), (k, d), (k, d), (k, d * (d - 1) // 2)))
    independent = {"alpha": alpha, "mu": mu, "q": q, "l": lower}
    input = {"d": d, "k": k, "n": n, "x": x, "m": m, "gamma": gamma} | independent
    close(values(gmm.objective(input)), posterior(x, m, gamma, *independent.values()))
    found = values(gmm.jacobian(input))
    for name, value in independent.items():
        close(found[name], slope(lambda v, n=name: posterior(x, m, gamma, *(independent | {n: v}).values()), value), rtol=1e-4, atol=1e-5)


def test_kmeans():
    points = rng.random((20, 3))
    centroids = points[-4:] + 0.01
    squares = np.sum((points[:, None] - centroids) ** 2, 2)
    close(values(kmeans.cost({"points": points, "centroids": centroids})), squares.min(1).sum())
    close(kmeans.chosen(mg.tensor(centroids), mg.tensor(points)), squares.min(1).sum())
    nearest = [points[squares.argmin(1) == j].mean(0) for j in range(4)]
    close(values(kmeans.dir({"points": points, "centroids": centroids})), centroids - nearest)


def test_llsq_and_lse_and_det():
    t, x = np.linspace(-1, 1, 9), rng.random(4)
    residual = np.polyval(x[::-1], t) - np.sign(t)
    close(values(llsq.primal({"x": x, "n": 9})), residual @ residual / 2)
    close(values(llsq.gradient({"x": x, "n": 9})), np.vander(t, 4, increasing=True).T @ residual)
    close(values(lse.primal({"x": 900 + x})), 900 + special.logsumexp(x))
    close(values(lse.gradient({"x": 900 + x})), special.softmax(x))
    A = rng.random((5, 5))
    close(values(det.primal({"A": A.ravel(), "ell": 5})), linalg.det(A))
    close(values(det.gradient({"A": A.ravel(), "ell": 5})), (linalg.det(A) * linalg.inv(A).T).ravel())


def test_ode():
    x, many = rng.random(3), 50
    close(values(ode.primal({"x": x, "s": many})), np.cumprod(x) * [2, 2, 4 / 3], rtol=1e-4)  # yᵢ = Πx tⁱ⁺¹ / (i + 1)!
    close(values(ode.gradient({"x": x, "s": many})), np.prod(x) * 4 / 3 / x, rtol=1e-4)


def projection(camera, x, w, feature):
    """One observation, by SciPy's rotation."""
    from scipy.spatial.transform import Rotation

    x, y, z = Rotation.from_rotvec(camera[:3]).apply(x - camera[3:6])
    p = np.array([x, y]) / z
    return w * (camera[6] * p * (1 + camera[9] * (p @ p) + camera[10] * (p @ p) ** 2) + camera[7:9] - feature)


@pytest.mark.parametrize("turn", [1, 0])
def test_ba(turn):
    camera, x, w, feature = rng.random(11) * np.array([turn] * 3 + [1] * 8), rng.random(3) + 2, 0.4, rng.random(2)
    input = {"n": 2, "m": 3, "p": 4, "cam": camera, "x": x, "w": w, "feat": feature}
    found = values(ba.objective(input))
    close(found["reproj_error"]["elements"], projection(camera, x, w, feature))
    close([found["w_err"]["element"], found["w_err"]["repeated"]], [1 - w * w, 4])
    own = np.array([*camera, *x, w])
    rows = np.array([slope(lambda v, i=i: projection(v[:11], v[11:14], v[14], feature)[i], own) for i in range(2)])
    task = ba.jacobian(input)
    begins, columns, entries = (np.asarray(a) for a in task.program(*task.arguments))
    dense = np.zeros((12, 2 * 11 + 3 * 3 + 4))
    for i, (begin, end) in enumerate(itertools.pairwise(begins)):
        dense[i, columns[begin:end]] = entries[begin:end]
    expected = np.zeros_like(dense)
    for i in range(4):
        places = [*range(11 * (i % 2), 11 * (i % 2) + 11), *range(22 + 3 * (i % 3), 25 + 3 * (i % 3)), 31 + i]
        expected[2 * i : 2 * i + 2, places] = rows
        expected[8 + i, 31 + i] = -2 * w
    close(dense, expected, atol=1e-7)
    assert [len(a) for a in task.answer((begins, columns, entries)).values()] == [3 * 4 + 1 + 1, 31, 31]  # the first 30, and the last


def hand(bones=22, vertices=6, points=2):
    parents = [-1, 0, *(0 if i % 4 == 0 else i + 1 for i in range(20))]
    homogeneous = np.zeros((2, bones, 4, 4)) + np.eye(4)
    homogeneous[:, :, :3] += 0.3 * rng.standard_normal((2, bones, 3, 4))
    base = np.concatenate([rng.random((vertices, 3)), np.ones((vertices, 1))], 1)
    model = {
        "bone_count": bones, "parents": parents, "base_relatives": homogeneous[0], "inverse_base_absolutes": homogeneous[1],
        "base_positions": base, "weights": rng.random((vertices, bones)), "triangles": rng.integers(0, vertices, (5, 3)),
        "is_mirrored": True,
    }  # fmt: skip
    data = {"model": model, "correspondences": [1, 3], "points": rng.random((points, 3))}
    return {"theta": rng.random(26), "data": data, "us": rng.random((points, 2))}


def tracked(theta, us, data):
    """The same by one matrix at a time."""
    from scipy.spatial.transform import Rotation

    model, absolutes, positions = data["model"], [], np.zeros((len(data["model"]["weights"]), 3))
    angles = np.zeros((model["bone_count"], 3))
    for finger in range(5):
        first, others = theta[6 + 4 * finger :][:2], theta[8 + 4 * finger :][:2]
        angles[2 + 4 * finger, :2], angles[3 + 4 * finger, 0], angles[4 + 4 * finger, 0] = first, *others
    for i, (x, z, y) in enumerate(angles):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("ZYX", [z, y, x]).as_matrix()
        own = model["base_relatives"][i] @ turn
        absolutes.append(own if i == 0 else absolutes[model["parents"][i]] @ own)
        moved = absolutes[i] @ model["inverse_base_absolutes"][i] @ model["base_positions"].T
        positions += model["weights"][:, i : i + 1] * moved[:3].T
    positions = Rotation.from_rotvec(theta[:3]).apply(positions * [-1, 1, 1]) + theta[3:6]
    if not len(us):
        return (data["points"] - positions[data["correspondences"]]).ravel()
    corners = positions[model["triangles"][data["correspondences"]]]
    return (data["points"] - np.einsum("nc,ncx->nx", np.stack([*us.T, 1 - us.sum(1)], 1), corners)).ravel()


@pytest.mark.parametrize("simple", [False, True])
def test_ht(simple):
    input = hand()
    theta, data, us = input["theta"], input["data"], np.zeros((0, 2)) if simple else input["us"]
    input["us"] = us.tolist()
    close(values(ht.objective(input)), tracked(theta, us, data))
    columns = [slope(lambda t, i=i: tracked(t, us, data)[i], theta) for i in range(6)]
    if not simple:
        columns = [[*slope(lambda u, i=i: tracked(theta, u, data)[i], us)[i // 3], *column] for i, column in enumerate(columns)]
    close(values(ht.jacobian(input)), columns, atol=1e-7)


def test_descent_in_descent_ends_at_the_saddle_and_the_particle_at_the_origin(monkeypatch):
    monkeypatch.setattr(saddle, "INNER", 192)
    close(Tool().evaluate("saddle", "rr", {"start": [1.0, 1.0]})["output"], np.zeros(4), atol=1e-4)
    w = Tool().evaluate("particle", "fr", {"w": 0.0})["output"]
    assert np.sqrt(float(np.asarray(particle.crossing(mg.tensor(w), descent.reverse)))) < 0.01


@pytest.mark.parametrize("mode", descent.MODES)
def test_modes_give_the_gradient_and_a_descent_that_is_cut_off_says_so(mode):
    def valley(x):
        return mg.sum(mg.square(x) * mg.tensor(np.array([1.0, 3.0])))

    close(descent.MODES[mode](valley)(mg.tensor(np.array([1.0, 2.0]))), [2, 12])
    assert not descent.argmin_within(valley, descent.MODES[mode], mg.tensor(np.array([1.0, 2.0])), 2)[1]


# ---- the report


def test_bars_are_ratios_and_who_disagrees_is_infinitely_far():
    row = session.Row("lstm", "jacobian", "l=2", 1, {"minigrad": 1e6, "manual": 12e6, "jax": 0.9e6, "finite": 0.6e6}, valid=True)
    assert report.missed(row) == ["jax"]
    (lstm_line,) = report.lstm_sheet([row], 1).body
    assert lstm_line[-2:] == ["2.5", "yes"]
    (score,) = report.score_sheet([row, session.Row("lstm", "objective", "l=2", 1, {"minigrad": 1e6, "manual": 1e6})], 1).body
    assert score[1:4] == ["1 of 2", "2", "6.5 [1–12]"]
    assert session.difference({"a": [1.0, 2.0]}, {"a": [1.0, 4.0]}) == pytest.approx(1 / 3)
    assert session.difference([1.0], [[1.0]]) == session.difference({"a": 1.0}, {"b": 1.0}) == np.inf


class Answers:
    """A tool that gives this output, and these nanoseconds one turn after the other."""

    def __init__(self, output, *turns):
        self.output, self.turns, self.asked = output, iter(turns), []

    def ask(self, message, patience):
        self.asked.append(message["input"])
        timings = [{"name": "prepare", "nanoseconds": 1}, *({"name": "evaluate", "nanoseconds": t} for t in next(self.turns))]
        return {"success": True, "output": self.output, "timings": timings}


def test_tools_take_turns_and_who_disagrees_is_not_timed():
    slow = 2 * session.SLOW
    tools = {
        "minigrad": Answers([2.0], [90, 5, 3, 4], [90, 3], [90, 7]), "same": Answers([2.00001], [9], [8], [90, 7]),
        "other": Answers([2.1], [1]), "slow": Answers([2.0], [slow]),
    }  # fmt: skip
    message = {"kind": "evaluate", "module": "lse", "function": "primal", "input": {"x": [1.0], "min_runs": 9}}
    row, output = session.evaluated(message, tools, threads=1, rounds=3, seconds=0.5)
    assert (row.times, row.without) == ({"minigrad": 3, "same": 7, "slow": slow}, {"other": "another result"})
    assert output == [2.0]
    assert tools["same"].asked == [{"x": [1.0], "min_runs": 1, "min_seconds": 0.5}] * 3


def test_numeric_differentiation_only_stands_in_for_the_hand_written(tmp_path):
    for tool, evals in (("manual", "lstm\n"), ("finite", "lstm\nsaddle\ngmm timeout\n")):
        (tmp_path / "tools" / tool).mkdir(parents=True)
        (tmp_path / "tools" / tool / "evals.txt").write_text(evals)
    found = {
        (tool, e) for tool in ("minigrad", "manual", "finite") for e in ("lstm", "saddle", "gmm") if session.supports(tmp_path, tool, e)
    }
    assert found == {("minigrad", "lstm"), ("minigrad", "saddle"), ("minigrad", "gmm"), ("manual", "lstm"), ("finite", "saddle")}
