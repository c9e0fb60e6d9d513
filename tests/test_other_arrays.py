"""Arrays of other libraries and of the disk, as arguments and as copies of tensors: PyTorch, JAX, pandas, memory-mapped files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError

VALUES = np.arange(6, dtype="float32").reshape(2, 3)


def readers() -> dict[str, Any]:
    """The functions of other libraries that make an array of theirs from a tensor, or from anything like one."""
    torch, jnp = pytest.importorskip("torch"), pytest.importorskip("jax.numpy")
    return {
        "torch.as_tensor": torch.as_tensor,
        "torch.asarray": torch.asarray,
        "torch.from_dlpack": torch.from_dlpack,
        "jnp.asarray": jnp.asarray,
        "jnp.from_dlpack": jnp.from_dlpack,
    }


@pytest.mark.parametrize("name", ["torch.as_tensor", "torch.asarray", "torch.from_dlpack", "jnp.asarray", "jnp.from_dlpack"])
def test_another_library_gets_a_copy_of_every_dtype_and_gives_it_back(name: str) -> None:
    read = readers()[name]
    for dtype in ("float32", "int32", "bool", "float16", "uint8"):
        t = mg.tensor(VALUES).astype(dtype)
        found = read(t)
        assert str(found.dtype).removeprefix("torch.") == dtype
        for back in (mg.from_dlpack(found), mg.tensor(found)):
            np.testing.assert_array_equal(back.numpy(), t.numpy(), strict=True)
        if name.startswith("torch"):
            found[:] = 0
            assert t.tolist() == VALUES.astype(dtype).tolist()
    assert np.asarray(read(mg.tensor(2.0))).shape == ()


def test_bfloat16_is_handed_on_in_float32() -> None:
    torch = pytest.importorskip("torch")
    t, theirs = mg.ones(2, "bfloat16"), torch.ones(2, dtype=torch.bfloat16)
    with pytest.raises(BufferError, match=r"NumPy cannot hand on bfloat16\(2\)\. Give it as \.astype\('float32'\)"):
        torch.as_tensor(t)
    for read in (mg.tensor, mg.from_dlpack):
        with pytest.raises(DTypeError, match="Give it in float32"):
            read(theirs)
    assert mg.tensor(theirs.float()).tolist() == torch.as_tensor(t.astype("float32")).tolist() == [1, 1]


def test_frames_and_series_are_arguments_and_are_made_of_tensors() -> None:
    pd = pytest.importorskip("pandas")
    frame, t = pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]}), mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert mg.tensor(frame).tolist() == [[1, 3], [2, 4]]
    assert (t + frame).tolist() == [[2, 5], [5, 8]]
    assert mg.jit(lambda x: mg.sum(x, 0))(frame).tolist() == mg.sum(frame, 0).tolist() == [3, 7]
    assert mg.grad(lambda x: mg.sum(x * x))(frame).tolist() == [[2, 6], [4, 8]]
    assert t[pd.Series([True, False])].tolist() == [[1, 2]]
    assert mg.tensor(pd.Series([1, 2], dtype="Int64")).dtype == "int64"
    np.testing.assert_array_equal(mg.tensor(pd.Series([1, None], dtype="Int64")).numpy(), [1, np.nan])
    made = pd.DataFrame(t, columns=["x", "y"])
    made.loc[0, "x"] = 9
    assert (t.tolist(), pd.Series(t[0]).tolist()) == ([[1, 2], [3, 4]], [1, 2])
    for bad in (pd.DataFrame({"a": ["x"]}), pd.Series(["a"], dtype="category"), pd.Series(pd.to_datetime(["2020-01-01"]))):
        with pytest.raises(DTypeError, match=r"cannot make a tensor from a (DataFrame|Series)"):
            mg.tensor(bad)


def test_memory_mapped_arrays_are_read_and_one_program_serves_their_lengths(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", VALUES)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r+")
    t, f = mg.tensor(mapped), mg.jit(lambda x: mg.sum(mg.exp(x)))
    for part in (mapped, mapped[:1], mapped[:, ::2]):
        assert f(part).item() == pytest.approx(np.exp(part).sum(), rel=1e-6)
    assert sum(map(len, f.programs.values())) == 1
    mapped[:] = 7
    mapped.flush()
    assert t.tolist() == VALUES.tolist()
    swapped = np.memmap(tmp_path / "y", dtype=">f4", mode="w+", shape=(3,))
    swapped[:] = [1, 2, 3]
    assert mg.jit(mg.sum)(swapped).item() == mg.sum(swapped).item() == 6
