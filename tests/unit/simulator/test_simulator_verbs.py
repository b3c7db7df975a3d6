# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs beside upgrade, switch and rollback, and what all of them can be asked for."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace

import pytest

from simulator import status
from simulator.catalogue import digest_of
from simulator.programs.perform import Given, perform, perform_into
from simulator.programs.usage import HelpAsked, UsageError, parse
from simulator.verbs.common import Aborted, BootcError, Outcome
from simulator.verbs.hostfile import BadDocument, Spec, read
from simulator.verbs.schema import text as schema
from tests.simulated_world import REPOSITORY, STABLE, FakeWorld, bootc, device, image, names, reboot
from tests.unit.simulator.conftest import SIMULATOR_COMMAND, layer

OTHER = f"{REPOSITORY}:other"
UNKNOWN = "a" * 128


def edited(state, world, change):
    """``bootc edit`` of the document status prints as YAML, after ``change`` of its text."""
    document = change(status.as_yaml(status.document(state)))
    return perform(state, parse(["edit", "-f", "x"], state.bootc_version), world, Given(document=document))


def test_edit_changes_the_image_or_the_order():
    state, world = device(rollback="a"), FakeWorld(other="n")
    assert edited(state, world, str).out == ["Edit cancelled, no changes made."]
    switched = edited(state, world, lambda text: text.replace(f"image: {STABLE}", f"image: {OTHER}", 1))
    assert switched.out[-3] == f"Queued for next boot: {OTHER}"
    assert names(switched.state)["staged"] == "n"
    flipped = edited(state, world, lambda text: text.replace("bootOrder: default", "bootOrder: rollback"))
    assert flipped.out == ["Next boot: rollback deployment"]
    back = edited(flipped.state, world, lambda text: text.replace("bootOrder: rollback", "bootOrder: default"))
    assert back.out == ["notice: Reverting queued rollback state", "Next boot: current deployment"]
    assert not back.state.rollback_queued


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ("spec: {", "not simulated: YAML such as '{'"),
        ("", "EOF while parsing a value"),
        ("apiVersion: v1\nspec:\n", "missing field `kind`"),
        ("apiVersion: v1\nkind: BootcHost\nspec:\n  image: null\n  bootOrder: default\n", "Missing image"),
        ("apiVersion: v1\nkind: BootcHost\nspec:\n  bootOrder: sideways\n", "unknown variant `sideways`"),
        ("apiVersion: v1\nkind: BootcHost\nspec:\n  image:\n    image: x\n", "missing field `transport`"),
        (
            "apiVersion: v1\nkind: BootcHost\nspec:\n  bootOrder: rollback\n  image:\n    image: x\n"
            "    transport: registry\n",
            "Invalid state transition: rollback and image change",
        ),
    ],
)
def test_edit_refuses(document, cause):
    with pytest.raises(BootcError) as failed:
        edited(device(rollback="a"), FakeWorld(), lambda _unused: document)
    assert str(failed.value).startswith("Editing spec: Editing spec (ostree): ")
    assert cause in str(failed.value)


def test_edit_on_composefs():
    with pytest.raises(BootcError, match=r"^Editing spec: Edit is not yet supported for composefs backend$"):
        edited(device(backend="composefs"), FakeWorld(), str)


def test_every_document_status_prints_is_read_back():
    state = bootc(device(rollback="a"), FakeWorld(stable="n"), "upgrade").state
    document = status.document(state)
    expected = Spec(state.spec, "default")
    assert read(status.as_yaml(document)) == read(status.as_json(document, "1.16.9")) == expected
    signed = (
        "# note\n---\napiVersion: v1\nkind: BootcHost\nspec:\n  image:\n"
        "    image: 'it''s:1'\n    transport: \"oci\"\n    signature: containerPolicy\n"
    )
    found = read(signed).image
    assert found is not None
    assert (found.image, found.transport, found.signature) == ("it's:1", "oci", "containerPolicy")
    for text in ("- a\n- b\n", "apiVersion: v1\n  kind: x\n", '{"apiVersion": 1', "apiVersion: v1\nkind: x\nspec: 1\n"):
        with pytest.raises(BadDocument):
            read(text)


def test_mutate_in_place_changes_the_name_only():
    state = device(rollback="a")
    outcome = bootc(state, FakeWorld(), "switch", "--mutate-in-place", OTHER)
    assert outcome.out == [f"Updated {state.booted_id} to pull from ostree-unverified-registry:{OTHER}"]
    assert outcome.state.spec is not None
    assert outcome.state.spec.image == OTHER
    assert names(outcome.state) == names(state)
    with pytest.raises(BootcError, match=r"^Switching: No such file or directory \(os error 2\)$"):
        bootc(device(backend="composefs"), FakeWorld(), "switch", "--mutate-in-place", OTHER)


def test_a_transport_there_is_not():
    with pytest.raises(BootcError, match=r"^Switching: Invalid transport: carrier-pigeon$"):
        bootc(device(), FakeWorld(), "switch", "--transport", "carrier-pigeon", "x")
    assert bootc(device(), FakeWorld(), "switch", "--transport", "docker://", STABLE).out == [
        "Image specification is unchanged."
    ]


def test_rollback_on_composefs_aborts_unless_there_are_two_entries():
    state = device(backend="composefs", rollback="a")
    third = replace(state.deployments[1], image=image("z"), checksum=image("z").verity)
    with pytest.raises(Aborted, match=r"assertion failed: all_configs\.len\(\) == 2"):
        bootc(replace(state, deployments=(*state.deployments, third)), FakeWorld(), "rollback")


def test_cleaning_up_on_ostree():
    state = reboot(bootc(device(rollback="a"), FakeWorld(stable="n"), "upgrade").state)
    once = bootc(state, FakeWorld(), "internals", "cleanup")
    assert once.out[0].startswith("Pruned images: ")
    assert bootc(once.state, FakeWorld(), "internals", "cleanup").out == []
    with pytest.raises(BootcError, match=r"^OSTree storage not initialized$"):
        bootc(device(backend="composefs"), FakeWorld(), "internals", "cleanup")


def test_collecting_garbage_on_composefs():
    state = reboot(bootc(device(backend="composefs", rollback="a"), FakeWorld(stable="n"), "upgrade").state)
    boot_only = bootc(state, FakeWorld(), "internals", "composefs-gc")
    assert boot_only.out == ["Objects: 0 removed (0 bytes)"]
    dry = bootc(state, FakeWorld(), "internals", "composefs-gc", "--dry-run", "--prune-repo")
    assert dry.out[:2] == ["Dry run (no files deleted)", "Objects: 1 removed (250000000 bytes)"]
    assert dry.out[2].startswith("Pruned symlinks: ")
    assert dry.state == state
    with pytest.raises(BootcError, match=r"^--assert-no-op: GC would remove 1 object\(s\), ") as failed:
        bootc(state, FakeWorld(), "internals", "composefs-gc", "--assert-no-op", "--prune-repo")
    assert failed.value.so_far is not None
    assert failed.value.so_far.state == state
    clean = bootc(state, FakeWorld(), "internals", "composefs-gc", "--prune-repo").state
    assert bootc(clean, FakeWorld(), "internals", "composefs-gc", "--assert-no-op", "--prune-repo").out == [
        "Dry run (no files deleted)",
        "Objects: 0 removed (0 bytes)",
    ]
    with pytest.raises(BootcError, match=r"^composefs-gc only works for composefs backend$"):
        bootc(device(), FakeWorld(), "internals", "composefs-gc")


def test_consistency_and_images():
    assert bootc(device(), FakeWorld(), "internals", "fsck").out == ["ok: etc-resolvconf", "ok: fsverity"]
    listed = bootc(device(), FakeWorld(), "image", "list", "--format", "json").document
    assert json.loads(listed or "") == [{"image_type": "host", "image": f"docker://{STABLE}"}]
    assert bootc(device(), FakeWorld(), "image", "list", "--type=logical", "--format=json").document == "[]"
    assert bootc(device(), FakeWorld(), "image", "list").out[0].split() == ["REPOSITORY", "TYPE"]


def test_differences_in_etc_are_coloured_wherever_they_go():
    given = Given(etc_changes=(("removed", "c"), ("added", "a"), ("modified", 'b"')))
    parsed = parse(["config-diff"], "1.16.9")
    assert perform(device(backend="composefs"), parsed, FakeWorld(), given).out == [
        '\x1b[32mAdded\x1b[39m "a"',
        '\x1b[36mModified\x1b[39m "b\\""',
        '\x1b[31mRemoved\x1b[39m "c"',
    ]
    with pytest.raises(BootcError, match=r"^ConfigDiff is only supported for composefs backend$"):
        bootc(device(), FakeWorld(), "config-diff")


@pytest.mark.parametrize(
    ("backend", "line", "cause"),
    [
        ("ostree", "composefs-finalize-staged", "ComposefsFinalizeStaged is only supported for composefs backend"),
        ("ostree", f"delete-deployment {UNKNOWN}", "DeleteDeployment is only supported for composefs backend"),
        ("composefs", "loader-entries set-options-for-source --source x", "OSTree storage not initialized"),
        ("ostree", "loader-entries set-options-for-source --source x", "not simulated: bootc loader-entries"),
        ("ostree", "install to-disk /dev/vda --wipe", "not simulated: bootc install to-disk"),
        ("ostree", "state wipe-ostree", "not simulated: bootc state wipe-ostree"),
    ],
)
def test_verbs_that_are_refused(backend, line, cause):
    with pytest.raises(BootcError) as failed:
        bootc(device(backend=backend), FakeWorld(), *line.split())
    assert str(failed.value).startswith(cause)


@pytest.mark.parametrize(
    ("before", "first", "line"),
    [
        ("1.1.6", "1.1.7", "internals fsck"),
        ("1.1.3", "1.1.4", "internals print-json-schema --of host"),
        ("1.1.3", "1.1.4", "upgrade --progress-fd 3"),
        ("1.1.2", "1.1.3", "image list --type host"),
        ("1.5.1", "1.6.0", "internals reboot"),
        ("1.8.0", "1.9.0", "config-diff"),
        ("1.11.0", "1.12.0", "internals prep-soft-reboot x"),
        ("1.12.1", "1.13.0", "internals prep-soft-reboot --reset"),
        ("1.13.0", "1.14.0", "internals composefs-gc --dry-run"),
        ("1.15.2", "1.16.0", "internals composefs-gc --assert-no-op"),
        ("1.15.1", "1.15.2", "loader-entries set-options-for-source --source x"),
    ],
)
def test_verbs_by_version(before, first, line):
    parse(line.split(), first)
    with pytest.raises(UsageError):
        parse(line.split(), before)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("internals", "Usage: bootc internals <COMMAND>"),
        ("internals nope", "unrecognized subcommand 'nope'"),
        ("internals --nope", "unexpected argument '--nope' found"),
        ("internals print-json-schema", "required arguments were not provided:\n  --of <OF>"),
        ("internals prep-soft-reboot", "required arguments were not provided:\n  <DEPLOYMENT>"),
        ("internals prep-soft-reboot --reboot --reset", "'--reboot' cannot be used with '--reset'"),
        ("upgrade --soft-reboot=maybe", "[possible values: required, auto]"),
        ("upgrade --progress-fd 2", "invalid value '2' for '--progress-fd <PROGRESS_FD>': Cannot use fd 2"),
        ("edit -x", "unexpected argument '-x' found"),
        ("status -vv", "unexpected argument '-vv' found"),
    ],
)
def test_bad_usage_of_what_is_hidden(line, text):
    with pytest.raises(UsageError) as wrong:
        parse(line.split(), "1.16.9")
    assert text in str(wrong.value)


def test_hidden_flags_work_and_are_not_listed():
    assert (
        parse(["edit", "-fx"], "1.16.9").flags == parse(["edit", "--filename=x"], "1.16.9").flags == {"filename": "x"}
    )
    with pytest.raises(HelpAsked) as asked:
        parse(["switch", "--help"], "1.16.9")
    assert "--retain" in str(asked.value)
    assert "--mutate-in-place" not in str(asked.value)
    with pytest.raises(HelpAsked) as overview:
        parse(["--help"], "1.16.9")
    assert "loader-entries" in str(overview.value)
    assert "internals" not in str(overview.value)


def defined(version):
    document = json.loads(schema("host", version))
    return document, document.get("$defs") or document["definitions"]


def test_the_schema_has_what_status_has():
    """Each property of the document at each version is one of the schema's, and the other way round."""
    for version in ("1.1.6", "1.4.0", "1.8.0", "1.12.0", "1.15.2", "1.16.9"):
        state = bootc(device(rollback="a", version=version), FakeWorld(stable="n"), "upgrade").state
        host = status.document(state)
        document, definitions = defined(version)
        assert set(document["properties"]) == set(host)
        assert set(definitions["HostStatus"]["properties"]) - {"otherDeployments"} == set(host["status"])
        assert set(definitions["BootEntry"]["properties"]) == set(host["status"]["booted"])
        assert set(definitions["ImageStatus"]["properties"]) == set(host["status"]["booted"]["image"])
        assert set(definitions["BootEntryOstree"]["properties"]) == set(host["status"]["booted"]["ostree"])
        assert "$ref" not in json.dumps(document) or all(name in definitions for name in _references(document)), (
            "every reference leads somewhere"
        )
    composefs = status.document(device(backend="composefs"))["status"]["booted"]["composefs"]
    assert set(defined("1.16.9")[1]["BootEntryComposefs"]["properties"]) == set(composefs)


def _references(node):
    if isinstance(node, dict):
        yield from (value.rpartition("/")[2] for key, value in node.items() if key == "$ref")
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def events(state, world, *arguments):
    told = []
    perform_into(Outcome(state, tell=told.append), parse(list(arguments), state.bootc_version), world, Given())
    return told


def test_progress_on_ostree():
    told = events(device(), FakeWorld(stable="n"), "upgrade")
    assert [(event["task"], event["steps"]) for event in told] == [
        *(("pulling", count) for count in (0, 1)),
        *(("importing", count) for count in (0, 1)),
        *(("staging", count) for count in (0, 1, 1, 2, 3)),
    ]
    pulled = told[1]
    assert (pulled["bytes"], pulled["bytesTotal"], pulled["bytesCached"]) == (250_000_000, 250_000_000, 1_000_000_000)
    assert [task["subtask"] for task in told[-1]["subtasks"]] == [
        "merging",
        "deploying",
        "bound_images",
        "cleanup",
        "cleanup",
    ]
    assert events(device(), FakeWorld(stable="b"), "upgrade") == []
    kinds = {kind["properties"]["type"]["const"]: kind for kind in json.loads(schema("progress", "1.16.9"))["oneOf"]}
    for event in told:
        assert set(event) == set(kinds[event["type"]]["properties"])


@pytest.mark.parametrize(("version", "count"), [("1.16.4", 0), ("1.16.5", 2)])
def test_progress_on_composefs_since_1_16_5(version, count):
    state = device(backend="composefs", version=version)
    told = events(state, FakeWorld(stable="n"), "upgrade")
    assert [event["type"] for event in told] == ["ProgressBytes"] * count
    assert all((event["id"], event["stepsTotal"]) == ("composefs-pull", 0) for event in told)


@pytest.fixture
def kde(registry, make_device):
    return make_device(f"{registry.host}/skorionos/kde:v1.0.0")


def test_progress_is_lines_on_a_pipe(kde, registry):
    target = f"{registry.host}/skorionos/kde:v1.1.0"
    done = kde.sh(f"bootc switch --progress-fd 3 {target} 3>&1 >/dev/null | cat")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0] == {"type": "Start", "version": "0.1.0"}
    assert lines[1]["task"] == "pulling"
    assert lines[-1]["task"] == "staging"
    again = kde.sh("bootc upgrade --progress-fd 3 3</dev/null")
    assert (again.returncode, again.stderr) == (1, "error: Upgrading: not a pipe\n")
    assert "Bad file descriptor" in kde.sh("bootc upgrade --progress-fd 9").stderr


def test_an_abort_is_a_signal(registry, make_device):
    made = make_device(f"{registry.host}/skorionos/kde:v1.0.0", "--backend", "composefs")
    kept = json.loads((made.directory / "state.json").read_text())
    first = kept["deployments"][0]
    kept["deployments"] += [{**first, "checksum": letter * 128, "id": letter * 128} for letter in "ab"]
    (made.directory / "state.json").write_text(json.dumps(kept))
    done = made.sh("bootc rollback; echo rc=$?")
    assert done.stdout == "rc=134\n"
    assert "assertion failed" in done.stderr
    assert len(json.loads((made.directory / "state.json").read_text())["deployments"]) == 3


def test_what_differs_in_etc(registry, make_device):
    made = make_device(f"{registry.host}/skorionos/kde:v1.0.0", "--backend", "composefs")
    assert made.sh("bootc config-diff").stdout == ""
    made.file("etc/motd").write_text("hello")
    assert made.sh("bootc config-diff").stdout == '\x1b[32mAdded\x1b[39m "motd"\n'


def test_an_image_in_a_directory(kde):
    """An image in the OCI layout, named by a path of the device."""
    store = kde.file("var/lib/images")
    (store / "blobs/sha256").mkdir(parents=True)

    def put(content):
        digest = digest_of(content)
        (store / "blobs/sha256" / digest.partition(":")[2]).write_bytes(content)
        return digest

    files = layer({"usr/lib/os-release": b"ID=directory\n"})
    labels = {"containers.bootc": "1", "org.opencontainers.image.version": "9"}
    config = put(json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": labels},
                             "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}).encode())  # fmt: skip
    entry = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": put(files), "size": len(files)}
    manifest = put(json.dumps({"schemaVersion": 2, "config": {"digest": config}, "layers": [entry]}).encode())
    named = {"digest": manifest, "annotations": {"org.opencontainers.image.ref.name": "v9"}}
    (store / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))

    done = kde.sh("bootc switch --transport oci /var/lib/images:v9")
    assert done.returncode == 0, done.stderr
    assert "Queued for next boot: ostree-unverified-image:oci:/var/lib/images:v9\n" in done.stdout
    staged = kde.status()["staged"]["image"]
    assert (staged["image"]["transport"], staged["imageDigest"]) == ("oci", manifest)
    assert kde.sh("bootc upgrade --check").stdout == ("No changes in: ostree-unverified-image:oci:/var/lib/images:v9\n")
    for name, cause in (("/var/lib/images:v8", 'no descriptor found for reference "v8"'), ("/nowhere", "no such file")):
        wrong = kde.sh(f"bootc switch --transport oci {name}")
        assert (wrong.returncode, cause in wrong.stderr) == (1, True)
    archive = kde.sh("bootc switch --transport oci-archive /x.tar")
    assert archive.stderr.endswith("transport oci-archive is not simulated; the simulator has registry and oci\n")
    kde.sh("systemctl reboot")
    kde.wait_until_up()
    assert kde.file("etc/os-release").read_text() == "ID=directory\n"


def test_editing_a_file_on_a_device(kde, registry):
    host = kde.directory / "host.yaml"
    assert kde.sh(f"bootc status > {host}").returncode == 0
    host.write_text(host.read_text().replace("kde:v1.0.0", "kde:v1.1.0", 1))
    done = kde.sh(f"bootc edit -f {host}")
    assert done.returncode == 0, done.stderr
    assert kde.status()["staged"]["image"]["version"] == "1.1.0"
    missing = kde.sh("bootc edit --filename /nowhere")
    assert missing.stderr == "error: Editing spec: Editing spec (ostree): No such file or directory (os error 2)\n"


def test_a_schema_is_printed_without_lock_and_root(kde):
    kde.fault("lock-held", "300")
    done = kde.run("exec", "--as-user", "--", "bootc", "internals", "print-json-schema", "--of=host")
    assert "readOnly" in json.loads(done.stdout)["$defs"]["HostStatus"]["properties"]


def test_an_inherited_descriptor_carries_progress(kde, registry):
    reading, writing = os.pipe()
    command = [*SIMULATOR_COMMAND, "device", str(kde.directory), "bootc", "switch", "--progress-fd", str(writing),
               f"{registry.host}/skorionos/kde:v1.1.0"]  # fmt: skip
    with subprocess.Popen(command, pass_fds=(writing,), stdout=subprocess.DEVNULL) as process:
        os.close(writing)
        with os.fdopen(reading) as stream:
            tasks = [json.loads(line).get("task") for line in stream]
        assert process.wait() == 0
    assert tasks[0] is None
    assert set(tasks[1:]) == {"pulling", "importing", "staging"}
