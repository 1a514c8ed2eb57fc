"""Buses and clients of the tests, and what the project's run is told."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import resources
from harness.bus import Bus
from hypothesis import HealthCheck, settings

from svom.messaging.natsio import NatsIo

PROOF = os.environ.get("SVOM_TEST_LEVEL") == "proof"
EXAMPLES = 2_000 if PROOF else 100
"""Of each property that is searched for its smallest exception."""
GENERATED = 200_000 if PROOF else 20_000
"""Of each property that is tried with what a seed gives."""
SAMPLES = {
    "status": (
        '{"ServiceStatus": {"descriptor": {"name": "WEBSOCKET_GATEWAY", "creation_date": "2019-01-09T14:20:01",'
        ' "uri": "svom://natsgateway", "instrument": "ANY", "mode": "ANY", "version": 1.0},'
        ' "activity": "Running", "date": "2019-01-09T14:24:09"}}'
    ),
    "data": (
        '{"DataNotification": {"source": "VHF", "data_type": "ECLALERTL1", "date": "2018-12-04T14:59:04.535Z",'
        r' "message": "{\"CcsdsTmHeadr\": {\"CcsdsApid\": 576}, \"Alert_MsgCount\": 0, \"Sat_AttitudeQ2\": 1.8e-09}",'
        ' "resource_locator": "32fef21a2cea43652fa28346de70b8"}}'
    ),
}

settings.register_profile(
    "project",
    deadline=None,
    derandomize=not PROOF,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("project")


def figure(what: str, value: object) -> None:
    """Writes a figure down where the project's run looks for it."""
    path = os.environ.get("SVOM_TEST_FIGURES")
    if path:
        with Path(path).open("a") as figures:
            figures.write(f"{what}: {value}\n")


@pytest.fixture(scope="session")
def bus() -> Iterator[Bus]:
    made = Bus(resources.MISSION, resources.MISSION_SECRETS)
    yield made
    made.close()


@pytest.fixture
def svom(bus: Bus) -> Iterator[NatsIo]:
    with NatsIo.from_secret(bus.secret("svom"), validate="off") as client:
        yield client


@pytest.fixture
def worker(bus: Bus) -> Iterator[NatsIo]:
    with NatsIo.from_secret(bus.secret("worker"), validate="off") as client:
        yield client


@pytest.fixture(params=sorted(SAMPLES))
def sample(request: pytest.FixtureRequest) -> str:
    return SAMPLES[request.param]


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Always the same in the gate; another at each proof, and written down."""
    seed = random.SystemRandom().randrange(2**32) if PROOF else 20_261_123
    figure(f"seed: python {request.node.name}", seed)
    return random.Random(seed)
