"""S3 and SQS on loopback: MiniStack, its credentials, its bucket and its queue.

Invariant: objects survive a kill. MiniStack saves the settings of bucket and queue only on a clean
stop, so `bootstrap` runs on every start and is idempotent.
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
LOGIN: Final = "test"  # both the access key's id and the secret key


@dataclass(frozen=True)
class MiniStack:
    """One MiniStack server: its port and the folder of its state."""

    port: int
    folder: Path

    @property
    def endpoint(self) -> str:
        """The base URL of the S3 and SQS API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def managed(self) -> ManagedProcess:
        """The process. It binds only to loopback and writes only below `folder`."""
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
        """Start the server and wait until it accepts connections."""
        (self.folder / "ministack").mkdir(parents=True, exist_ok=True)
        self.managed.start()
        self.managed.wait_until(lambda: is_listening(self.port), 30)

    def queue_url(self, queue: str) -> str:
        """Return the URL of a queue. The server does not need to run."""
        return f"{self.endpoint}/{_ACCOUNT}/{queue}"

    def session(self) -> boto3.Session:
        """Return a boto3 session with the stand-in's credentials."""
        return boto3.Session(LOGIN, LOGIN, region_name=REGION)

    def bootstrap(self, bucket: str, queue: str | None = None) -> str | None:
        """Create the versioned bucket and its notification queue. Return the queue's URL."""
        return create_landing(self.session(), bucket, queue, endpoint_url=self.endpoint)
