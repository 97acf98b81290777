"""Sessions: what is opened when, what an address selects, and what is left after closing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.errors import CatalogError, UsageError
from filterkit.session import Session, sliced


@pytest.fixture
def session(classic_catalog: Path) -> Iterator[Session]:
    session = Session(classic_catalog)
    yield session
    session.close()


def test_nothing_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    session = Session(tmp_path / "none.db")
    session.close()
    with pytest.raises(CatalogError, match="no catalog"):
        session.catalog()
    assert session.catalog(write=True).writable
    assert session.catalog() is session.catalog(write=True)
    session.close()


def test_a_catalog_that_is_read_is_opened_again_for_writing(tmp_path: Path) -> None:
    session = Session(tmp_path / "catalog.db")
    session.catalog(write=True)
    session.close()
    reading = session.catalog()
    assert not reading.writable
    assert session.catalog(write=True) is not reading
    session.close()


def test_an_address_selects_weights_biases_and_labels(session: Session) -> None:
    match = session.one("classic/edge_sobel_x", "one is needed")
    weights = session.weights(match)
    np.testing.assert_array_equal(weights, [[[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]]])
    assert not weights.flags.writeable and session.bias(match) is None
    assert session.labels(session.matches("classic/edge_sobel_*")) == [("Sobel x",), ("Sobel y",)]
    assert session.selected_labels(session.matches("classic/emboss/0")) == [("emboss",)]


def test_several_layers_where_one_is_needed(session: Session) -> None:
    with pytest.raises(UsageError) as caught:
        session.one("classic/*", "one layer makes one array")
    assert caught.value.message == "one layer makes one array, but 'classic/*' names 13 layers"
    assert "classic/edge_sobel_x, " in str(caught.value.hint)


def test_caches_live_as_long_as_they_are_needed(session: Session) -> None:
    networks = session.networks
    assert session.networks is networks and session.lengths is session.lengths
    session.close_networks()
    assert session.networks is not networks


@given(st.lists(st.integers(0, 6), min_size=1), st.lists(st.integers(0, 3), min_size=1))
def test_selections_are_those_of_numpy(first: list[int], second: list[int]) -> None:
    array = np.arange(7 * 4 * 2).reshape(7, 4, 2)
    found = sliced(array, first, second)
    np.testing.assert_array_equal(found, array[first][:, second])
    assert not found.flags.writeable and array.flags.writeable


@pytest.mark.parametrize(
    "selection", [range(7), range(1, 6, 2), [6, 4, 2, 0], [3], range(6, -1, -1), [0, 1, 2]]
)
def test_evenly_spaced_selections_are_views(selection: list[int]) -> None:
    array = np.arange(14).reshape(7, 2)
    found = sliced(array, selection)
    np.testing.assert_array_equal(found, array[list(selection)])
    assert np.shares_memory(found, array)


def test_a_session_that_is_to_stop_ends_what_reports_progress(classic_catalog: Path) -> None:
    stopping = False
    session = Session(classic_catalog, progress=False, stop=lambda: stopping)
    with session.progress() as progress:
        progress("searching", 1, 2)
        stopping = True
        with pytest.raises(KeyboardInterrupt):
            progress("searching", 2, 2)
    session.close()


def test_a_session_that_is_to_stop_ends_statements(classic_catalog: Path) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000) SELECT max(i) FROM n"
    )
    stopping = False
    session = Session(classic_catalog, stop=lambda: stopping)
    with session.catalog().read() as reading:
        assert reading.execute(endless).fetchone() == (50000,)
    stopping = True
    with pytest.raises(KeyboardInterrupt), session.catalog().read() as reading:
        reading.execute(endless).fetchone()
    with pytest.raises(KeyboardInterrupt), session.catalog().connect() as connection:
        connection.exec_driver_sql(endless).fetchone()
    stopping = False
    with session.catalog().read() as reading:
        assert reading.execute("SELECT count(*) FROM model").fetchone() == (1,)
    session.close()
