"""S3 and SQS on loopback: MiniStack, its credentials, its bucket and its queue.

Invariant: objects survive a kill; bucket and queue settings are written on a clean stop only, so
`bootstrap` sets them on every start and changes nothing that is already so.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import boto3

from local.bucket import create_landing
from local.processes import ManagedProcess, is_listening

REGION: Final = "eu-central-1"
_ACCOUNT = "000000000000"
LOGIN: Final = "test"  # the id of its access key, and the key itself


@dataclass(frozen=True)
class MiniStack:
    """One MiniStack: its port and the folder that keeps its state."""

    port: int
    folder: Path

    @property
    def endpoint(self) -> str:
        """The URL of its API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def managed(self) -> ManagedProcess:
        """The process, with everything it would bind or write elsewhere kept here."""
        state = self.folder / "ministack"
        env = {
            **os.environ,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "SERVICES": "s3,sqs,iam,sts,secretsmanager",
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(state / "s3"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state / "state"),
            "TMPDIR": str(state),
            "MINISTACK_REGION": REGION,
        }
        argv = [sys.executable, "-c", "from ministack.app import main; main()"]
        return ManagedProcess("ministack", argv, env, self.folder)

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self.folder / "ministack").mkdir(parents=True, exist_ok=True)
        self.managed.start()
        self.managed.wait_until(lambda: is_listening(self.port), 30)

    def queue_url(self, queue: str) -> str:
        """Return the URL of a queue; it is known before the server runs."""
        return f"{self.endpoint}/{_ACCOUNT}/{queue}"

    def session(self) -> boto3.Session:
        """Return a boto3 session with the stand-in's credentials."""
        return boto3.Session(LOGIN, LOGIN, region_name=REGION)

    def bootstrap(self, bucket: str, queue: str | None = None) -> str | None:
        """Create the versioned bucket, and the queue that its arrivals notify; return its URL."""
        return create_landing(self.session(), bucket, queue, endpoint_url=self.endpoint)
