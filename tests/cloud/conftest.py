"""A cloud on loopback: S3, SQS and IAM with enforced policies, and terraform/ applied to it."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme

from local.processes import ManagedProcess, free_port, is_listening
from scripts.landing.store import Store
from tests.terraform import Terraform

_PYTHON = Path(__file__).parents[2] / ".tools" / "cloud" / "bin" / "python"
_ACCOUNT = "000000000000"
_REGION = "eu-central-1"
_ASK = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}],
}
_TFVARS = "production.tfvars"
TRUSTED = {"ingest": "host", "load": "host", "erase": "officer"}
PRINCIPALS = ("host", "officer", "stranger", "deployer")


@dataclass
class Cloud:
    """The applied cloud, and sessions of the users that try something on it."""

    endpoint: str
    ca: str
    terraform: Terraform
    keys: dict[str, tuple[str, str]]
    outputs: dict[str, Any]
    warehouse_port: int

    def client(self, service: str, session: Any) -> Any:
        return session.client(service, endpoint_url=self.endpoint, verify=self.ca)

    def user(self, name: str) -> boto3.Session:
        return boto3.Session(*self.keys[name], region_name=_REGION)

    def assume(self, user: str, duty: str) -> boto3.Session:
        """Return the session of a duty's role, assumed by a user."""
        given = self.client("sts", self.user(user)).assume_role(
            RoleArn=self.outputs["role_arns"][duty], RoleSessionName=f"trial-{duty}"
        )["Credentials"]
        return boto3.Session(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], _REGION
        )


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Start the stand-in, create three users, and apply terraform/ with them as trusted."""
    folder = tmp_path_factory.mktemp("cloud")
    port = free_port()
    ca = _certificates(folder)
    server = _ministack(folder, port)
    env = {
        "AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}",
        "AWS_CA_BUNDLE": ca,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": _REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TF_CLI_ARGS_apply": "-auto-approve",
        "TF_CLI_ARGS_plan": f"-var-file={_TFVARS}",
        "TF_CLI_ARGS_destroy": f"-var-file={_TFVARS}",
    }
    cloud = Cloud(env["AWS_ENDPOINT_URL"], ca, Terraform.copy(folder, env), {}, {}, free_port())
    server.start()
    try:
        server.wait_until(partial(is_listening, port), 30)
        cloud.keys = _users(cloud)
        _deploy(cloud)
        outputs = json.loads(cloud.terraform.run("output", "-json").stdout)
        cloud.outputs = {name: output["value"] for name, output in outputs.items()}
        _attach(cloud, host="read", deployer="migrate")
        yield cloud
    finally:
        server.stop()


def store_of(cloud: Cloud, duty: str) -> Store:
    """Return the landing zone, with the role of a duty."""
    session = cloud.assume(TRUSTED[duty], duty)
    return Store.of_session(
        session, cloud.outputs["bucket"], endpoint_url=cloud.endpoint, verify=cloud.ca
    )


def _certificates(folder: Path) -> str:
    """Write the server's certificate and key. Return the file of the CA that signed it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=number > 0)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return str(folder / "ca.pem")


def _ministack(folder: Path, port: int) -> ManagedProcess:
    env = {
        **os.environ,
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "SERVICES": "s3,sqs,iam,sts,secretsmanager,rds,ec2",
        "TMPDIR": str(folder),
        "MINISTACK_REGION": _REGION,
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(folder / "cert.pem"),
        "MINISTACK_SSL_KEY": str(folder / "key.pem"),
    }
    argv = [str(_PYTHON), "-c", "from ministack.app import main; main()"]
    return ManagedProcess("cloud", argv, env, folder)


def root() -> boto3.Session:
    return boto3.Session("test", "test", region_name=_REGION)


def _attach(cloud: Cloud, **policies: str) -> None:
    """Give users a policy of the warehouse, as its outputs name it."""
    iam = cloud.client("iam", root())
    for user, policy in policies.items():
        arn = cloud.outputs["warehouse_policy_arns"][policy]
        iam.attach_user_policy(UserName=user, PolicyArn=arn)


def detach(cloud: Cloud, **policies: str) -> None:
    """Take the policies away again: one that a user has cannot be destroyed."""
    iam = cloud.client("iam", root())
    for user, policy in policies.items():
        arn = cloud.outputs["warehouse_policy_arns"][policy]
        iam.detach_user_policy(UserName=user, PolicyArn=arn)


def _users(cloud: Cloud) -> dict[str, tuple[str, str]]:
    iam = cloud.client("iam", root())
    keys = {}
    for name in PRINCIPALS:
        iam.create_user(UserName=name)
        # Every user may request any role: the role's trust policy decides.
        iam.put_user_policy(UserName=name, PolicyName="ask", PolicyDocument=json.dumps(_ASK))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        keys[name] = (key["AccessKeyId"], key["SecretAccessKey"])
    return keys


def _deploy(cloud: Cloud) -> None:
    """Follow the README, make the edits that it asks for, and allow destroying everything."""
    terraform = cloud.terraform
    copied = terraform.run_readme("cp terraform/example.tfvars terraform/production.tfvars")
    assert copied.returncode == 0, copied.stderr
    _edit(terraform.folder / _TFVARS, _network(cloud))
    for done in (
        terraform.run_readme("terraform -chdir=terraform apply -var-file=production.tfvars"),
        terraform.run_readme("make env"),
        terraform.run_readme("terraform -chdir=terraform output -raw env >> .env"),
    ):
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    # The stand-in gives the cluster another host name once it has an instance.
    done = terraform.run("apply", "-refresh-only", f"-var-file={_TFVARS}")
    assert done.returncode == 0, done.stderr[-3000:]


def _network(cloud: Cloud) -> str:
    """Create what a company has: a VPC, two subnets, the security group of the pipeline."""
    ec2 = cloud.client("ec2", root())
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{_REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="pipeline", Description="pipeline", VpcId=vpc)
    return f"""
warehouse = {{
  vpc_id                    = "{vpc}"
  subnet_ids                = {json.dumps(subnets)}
  client_security_group_ids = ["{group["GroupId"]}"]
  port                      = {cloud.warehouse_port}
  is_protected              = false
  log_exports               = [] # the stand-in forgets them, so a second plan would not be empty
}}
"""


def _edit(tfvars: Path, warehouse: str) -> None:
    text = tfvars.read_text()
    user = f"arn:aws:iam::{_ACCOUNT}:user"
    for example, ours in (
        ('"staging"', '"trial"'),
        ("arn:aws:iam::123456789012:role/airflow-host", f"{user}/host"),
        ("arn:aws:iam::123456789012:role/data-protection", f"{user}/officer"),
    ):
        assert example in text
        text = text.replace(example, ours)
    assert f'region      = "{_REGION}"' in text
    # The stand-in knows no second factor.
    settings = "force_destroy = true\nerase_requires_mfa = false\n"
    tfvars.write_text(f"{text}{settings}{warehouse}")
