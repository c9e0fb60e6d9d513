import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Compiled code goes to a folder of this test run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MINIGRAD_CACHE", raising=False)
        patch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path_factory.mktemp("cache") / "objects"))
        yield
