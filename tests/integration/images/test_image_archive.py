# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_archive between two docker-registries: the same digests on the other side, and nothing twice."""

from __future__ import annotations

import base64
import errno
import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import archive, layout
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.client import RegistryClient
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout import Layout
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.transport import new_session
from ansible_collections.skorionos.bootc.plugins.modules import image_archive

from tests.real_registry import OCI_MANIFEST, RealRegistry, digest_of, real_registry
from tests.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.integration

PIECE = 100_000
BASE = random.Random(1).randbytes(2 * PIECE + 5)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have layers of this size transferred in three pieces, of which the last is short."""
    monkeypatch.setattr(archive, "_CHUNK", PIECE)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealRegistry]:
    """The registry without network, which has the images at another path."""
    with real_registry(tmp_path / "site") as running:
        running.repository = "mirror/os/skorionos"
        yield running


@pytest.fixture
def published(registry: RealRegistry) -> dict[str, str]:
    """Two variants on one base, one of them for two architectures, with signatures of both kinds, by name."""
    arm = registry.image([b"arm"], architecture="arm64")
    amd = registry.image([BASE, b"kde"])
    kde = registry.index([amd, arm], "kde-v1")
    gnome = str(registry.image([BASE, b"gnome"], "gnome-v1")["digest"])
    registry.image([b"not asked for"], "hyprland-v1")
    return {
        "kde": kde,
        "gnome": gnome,
        "amd": amd["digest"],
        "arm": arm["digest"],
        "signature of gnome": registry.signature(gnome),
        "bundle of arm": registry.signature(arm["digest"], by_subject=True),
    }


def exporting(registry: RealRegistry, path: Path) -> dict[str, Any]:
    images = [f"{registry.name}:kde-v1", f"{registry.name}:gnome-v1"]
    return {"state": "exported", "path": str(path), "images": images}


def new_key(folder: Path) -> Path:
    """Make a private key; its public one is beside it, with the ending .pub."""
    private = folder / "2026.key"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(private))
    openssl("pkey", "-in", str(private), "-pubout", "-out", str(private.with_suffix(".pub")))
    return private


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


def signed(registry: RealRegistry, key: Path, name: str, *digests: str) -> None:
    """Put signatures there as cosign does, which say that the image is in the repository ``name``."""
    for digest in digests:
        critical = {
            "identity": {"docker-reference": name},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        }
        payload = json.dumps({"critical": critical, "optional": None}).encode()
        made = base64.b64encode(openssl("dgst", "-sha256", "-sign", str(key), given=payload)).decode()
        layer = {
            **registry.blob(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
            "annotations": {"dev.cosignproject.cosign/signature": made},
        }
        config = registry.blob(b"{}", "application/vnd.oci.image.config.v1+json")
        registry.manifest(
            {"mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}, f"{digest.replace(':', '-')}.sig"
        )


def importing(site: RealRegistry, path: Path) -> dict[str, Any]:
    return {"state": "imported", "path": str(path), "target": f"{site.address}/mirror/{{repository}}"}


def referrers(registry: RealRegistry, digest: str) -> list[str]:
    reference = Reference(registry.address, registry.repository, None, digest)
    return [entry.digest for entry in RegistryClient(new_session(), insecure=True).list_referrers(reference)]


def test_from_registry_to_disk_to_registry_everything_keeps_its_digest(
    run: Any, registry: RealRegistry, site: RealRegistry, published: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "usb" / "archive"
    predicted = run(image_archive, check=True, **exporting(registry, path))
    assert (predicted["changed"], path.exists()) == (True, False)
    exported = run(image_archive, **exporting(registry, path))
    assert (exported["changed"], exported["transferred"]) == (True, predicted["transferred"])
    assert exported["transferred"].count(digest_of(BASE)) == 1
    on_disk = sum(file.stat().st_size for file in (path / "blobs" / "sha256").iterdir())
    assert on_disk == exported["total_bytes"] == predicted["total_bytes"]
    assert len(BASE) < on_disk < len(BASE) + 20_000
    names = {
        entry["annotations"].get("org.opencontainers.image.ref.name")
        for entry in json.loads((path / "index.json").read_text())["manifests"]
    }
    assert names == {"kde-v1", "gnome-v1", published["gnome"].replace(":", "-") + ".sig", None}
    for check in (True, False):
        again = run(image_archive, check=check, **exporting(registry, path))
        assert (again["changed"], again["transferred"], again["removed"]) == (False, [], 0)
    (path / "index.json").unlink()
    for check in (True, False):
        assert run(image_archive, check=check, **exporting(registry, path))["changed"] is True

    predicted = run(image_archive, check=True, **importing(site, path))
    assert (predicted["changed"], site.tags()) == (True, [])
    imported = run(image_archive, **importing(site, path))
    assert (imported["changed"], imported["transferred"]) == (True, predicted["transferred"])
    assert imported["total_bytes"] == exported["total_bytes"]
    assert imported["images"] == [
        {"image": f"{site.name}:gnome-v1", "digest": published["gnome"]},
        {"image": f"{site.name}:kde-v1", "digest": published["kde"]},
    ]
    assert [digest for digest in published.values() if not site.has(digest)] == []
    assert referrers(site, published["arm"]) == [published["bundle of arm"]]
    signature = published["gnome"].replace(":", "-") + ".sig"
    assert {"kde-v1", "gnome-v1", signature} <= set(site.tags())
    assert "hyprland-v1" not in site.tags()
    for check in (True, False):
        again = run(image_archive, check=check, **importing(site, path))
        assert (again["changed"], again["transferred"], again["kept_tags"]) == (False, [], [])


def test_nothing_is_imported_that_was_not_signed_where_it_comes_from(
    run: Any, registry: RealRegistry, site: RealRegistry, published: dict[str, str], tmp_path: Path
) -> None:
    path, key = tmp_path / "archive", new_key(tmp_path)
    images = [published[name] for name in ("kde", "amd", "arm", "gnome")]
    wanted = {
        **importing(site, path),
        "keys": [str(key.with_suffix(".pub"))],
        "source": f"{registry.address}/{{repository}}",
    }
    signed(registry, key, registry.name, *images[:-1])
    run(image_archive, **exporting(registry, path))
    for check in (True, False):
        refused = run(image_archive, check=check, **wanted)
        assert (refused["reason"], f"{published['gnome']}, which none of the keys signed" in refused["msg"]) == (
            "signature",
            True,
        ), refused
    assert (site.tags(), site.has(published["kde"])) == ([], False)

    signed(registry, key, registry.name, images[-1])
    run(image_archive, **exporting(registry, path))
    nowhere = run(image_archive, **{**wanted, "source": None})
    assert f"signed for {registry.name}, not for {site.name}" in nowhere["msg"]
    assert site.tags() == []
    predicted = run(image_archive, check=True, **wanted)
    imported = run(image_archive, **wanted)
    assert imported["verified"] == predicted["verified"] == sorted(images)
    assert {"kde-v1", "gnome-v1"} <= set(site.tags())
    # A signature that was made here counts, too, and those that came along still tell where the images are from.
    own = run(image_archive, **{**wanted, "source": None})
    assert own["reason"] == "signature"
    signed(site, key, site.name, *images)
    assert run(image_archive, **{**wanted, "source": None})["verified"] == sorted(images)
    again = run(image_archive, **wanted)
    assert (again["changed"], again["verified"]) == (False, sorted(images))


def test_an_archive_does_not_choose_among_the_repositories_that_a_key_signs_for(
    run: Any, registry: RealRegistry, site: RealRegistry, published: dict[str, str], tmp_path: Path
) -> None:
    key = new_key(tmp_path)
    signed(registry, key, f"{registry.address}/dev/skorionos", published["gnome"])
    wanted = {**exporting(registry, tmp_path / "archive"), "images": [f"{registry.name}:gnome-v1"]}
    run(image_archive, **wanted)
    index = tmp_path / "archive" / "index.json"
    index.write_text(index.read_text().replace("os/skorionos", "dev/skorionos"))
    keys = [str(key.with_suffix(".pub"))]
    here = {**importing(site, tmp_path / "archive"), "target": site.name, "keys": keys}
    loose = run(image_archive, **here, source=f"{registry.address}/{{repository}}")
    assert (loose["reason"], "Put it into both, or into neither" in loose["msg"]) == ("invalid", True), loose
    other = run(image_archive, **here, source=registry.name)
    assert (other["reason"], f"signed for {registry.address}/dev/skorionos" in other["msg"]) == ("signature", True)
    assert run(image_archive, **{**here, "keys": [str(tmp_path / "absent.pub")]})["reason"] == "invalid"
    assert site.tags() == []


def test_no_tag_shows_an_image_before_its_signatures_are_there(
    run: Any, registry: RealRegistry, site: RealRegistry, published: dict[str, str], tmp_path: Path
) -> None:
    run(image_archive, **exporting(registry, tmp_path / "archive"))
    written: list[str] = []
    put = RegistryClient.put_manifest

    def spy(self: RegistryClient, reference: Reference, manifest: Any) -> None:
        written.append(reference.tag or "by digest")
        put(self, reference, manifest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RegistryClient, "put_manifest", spy)
        run(image_archive, **importing(site, tmp_path / "archive"))
    # That of the bundle is the list of referrers, which distribution 2.8 leaves to clients.
    about = [published["gnome"].replace(":", "-") + ".sig", published["arm"].replace(":", "-")]
    assert written[written.index(about[0]) :] == [*about, "gnome-v1", "kde-v1"]


def test_an_interrupted_export_goes_on_and_what_is_spoilt_is_fetched_again(
    run: Any, registry: RealRegistry, published: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "archive"
    asked: list[tuple[int, int]] = []
    read = RegistryClient.get_blob_range

    def spy(self: RegistryClient, reference: Reference, digest: str, offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return read(self, reference, digest, offset, length)

    monkeypatch.setattr(RegistryClient, "get_blob_range", spy)
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    name = digest_of(BASE).partition(":")[2]
    (blobs / f"{name}.part").write_bytes(BASE[:150_000])
    run(image_archive, **exporting(registry, path))
    assert asked == [(150_000, len(BASE) - 150_000)]
    assert (blobs / name).read_bytes() == BASE

    (blobs / name).write_bytes(b"\0" + BASE[1:])
    (blobs / digest_of(b"left by an older release").partition(":")[2]).touch()
    (blobs / "of-somebody-else").touch()
    again = run(image_archive, **exporting(registry, path))
    assert (again["changed"], again["transferred"], again["removed"]) == (True, [digest_of(BASE)], 1)
    assert (blobs / "of-somebody-else").exists()

    (blobs / name).unlink()
    (blobs / f"{name}.part").write_bytes(b"something else")
    spoilt = run(image_archive, **exporting(registry, path))
    assert (spoilt["reason"], "is something else" in spoilt["msg"]) == ("unexpected", True)
    assert run(image_archive, **exporting(registry, path))["transferred"] == [digest_of(BASE)]


def test_a_corrupt_archive_is_refused_by_the_name_of_the_file_before_anything_is_written(
    run: Any, registry: RealRegistry, site: RealRegistry, published: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "archive"
    run(image_archive, **exporting(registry, path))
    blob = path / "blobs" / "sha256" / digest_of(b"gnome").partition(":")[2]
    manifest = path / "blobs" / "sha256" / published["kde"].partition(":")[2]
    for victim, spoil in (
        (blob, lambda file: file.write_bytes(b"gnomE")),
        (blob, lambda file: file.write_bytes(b"gno")),
        (blob, lambda file: file.unlink()),
        (manifest, lambda file: file.write_bytes(file.read_bytes() + b" ")),
        (path / "index.json", lambda file: file.write_text('{"manifests": [{"digest": "../../etc/passwd"}]}')),
    ):
        whole = victim.read_bytes()
        spoil(victim)
        refused = run(image_archive, **importing(site, path))
        assert (refused["reason"], str(victim) in refused["msg"]) == ("corrupt", True), refused
        victim.write_bytes(whole)
    assert site.tags() == []
    assert run(image_archive, **importing(site, path))["changed"] is True


def test_signatures_that_the_site_made_itself_are_left(
    run: Any, registry: RealRegistry, site: RealRegistry, published: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "archive"
    run(image_archive, **exporting(registry, path))
    tag = published["gnome"].replace(":", "-") + ".sig"
    theirs = site.image([b"signed here"], tag)["digest"]
    bundle = site.signature(published["arm"], by_subject=True)
    ours = run(image_archive, **importing(site, path))
    assert ours["kept_tags"] == [tag]
    assert site.has(theirs)
    assert set(referrers(site, published["arm"])) == {bundle, published["bundle of arm"]}


def test_a_site_that_has_the_release_before_gets_what_is_new(
    run: Any, registry: RealRegistry, site: RealRegistry, tmp_path: Path
) -> None:
    registry.image([BASE, b"one"], "kde-v1")
    second = registry.image([BASE, b"two"], "kde-v2")["digest"]
    path = tmp_path / "archive"
    wanted = {"state": "exported", "path": str(path), "images": [f"{registry.name}:kde-v2"]}
    exported = run(image_archive, **wanted, without=[f"{registry.name}:kde-v1"])
    assert exported["total_bytes"] < 2000
    lacking = run(image_archive, **importing(site, path))
    assert (lacking["reason"], digest_of(BASE)[7:] in lacking["msg"], site.tags()) == ("corrupt", True, [])
    site.image([BASE, b"one"], "kde-v1")
    assert digest_of(BASE) not in run(image_archive, **importing(site, path))["transferred"]
    assert site.has(second)


def test_a_base_that_repositories_share_is_sent_once(
    run: Any, registry: RealRegistry, site: RealRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for variant in ("gnome", "kde"):
        registry.repository = f"os/{variant}"
        registry.image([BASE, variant.encode()], "v1")
        names.append(f"{registry.name}:v1")
    path = tmp_path / "archive"
    exported = run(image_archive, state="exported", path=str(path), images=names)
    assert (exported["transferred"].count(digest_of(BASE)), len(exported["images"])) == (1, 2)
    index = json.loads((path / "index.json").read_text())["manifests"]
    assert [x["annotations"]["org.opencontainers.image.ref.name"] for x in index] == ["os/gnome:v1", "os/kde:v1"]
    sent = []
    read = archive.FileBody.__iter__
    monkeypatch.setattr(archive.FileBody, "__iter__", lambda body: sent.append(body.size) or read(body))
    imported = run(image_archive, **importing(site, path))
    assert [image["image"] for image in imported["images"]] == [
        f"{site.address}/mirror/os/gnome:v1",
        f"{site.address}/mirror/os/kde:v1",
    ]
    assert sent.count(len(BASE)) == 1
    clash = run(image_archive, state="imported", path=str(path), target=site.name)
    assert (clash["reason"], f"would both be {site.name}:v1" in clash["msg"]) == ("invalid", True)
    assert run(image_archive, **importing(site, path))["changed"] is False


def test_what_only_one_of_two_repositories_has_at_the_site_is_carried_for_the_other(
    run: Any, registry: RealRegistry, tmp_path: Path
) -> None:
    registry.image([BASE, b"old"], "kde-v1")
    new = f"{registry.name}:kde-v2"
    registry.image([BASE, b"new"], "kde-v2")
    first = registry.repository
    registry.repository = f"{first}-other"
    registry.image([BASE, b"other"], "gnome-v2")
    other = f"{registry.name}:gnome-v2"
    registry.repository = first
    wanted = {"state": "exported", "path": str(tmp_path / "disk"), "tls_verify": False}
    run(image_archive, **wanted, images=[new, other], without=[f"{registry.name}:kde-v1"])
    names = {path.name for path in (tmp_path / "disk" / "blobs" / "sha256").iterdir()}
    base = digest_of(BASE).partition(":")[2]
    assert base in names
    run(image_archive, **wanted, images=[new], without=[f"{registry.name}:kde-v1"])
    assert base not in {path.name for path in (tmp_path / "disk" / "blobs" / "sha256").iterdir()}


def test_images_of_another_program_are_not_removed(run: Any, registry: RealRegistry, tmp_path: Path) -> None:
    registry.image([b"1"], "kde-v1")
    wanted = {"state": "exported", "path": str(tmp_path / "disk"), "images": [f"{registry.name}:kde-v1"]}
    run(image_archive, **wanted, tls_verify=False)
    index = tmp_path / "disk" / "index.json"
    document = json.loads(index.read_text())
    document["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "theirs"}
    index.write_text(json.dumps(document))
    before = sorted(path.name for path in (tmp_path / "disk").rglob("*"))
    refused = run(image_archive, **wanted, tls_verify=False)
    assert (refused["reason"], "images of another program" in refused["msg"]) == ("invalid", True)
    assert sorted(path.name for path in (tmp_path / "disk").rglob("*")) == before


def test_exports_and_imports_keep_out_of_each_others_way(
    run: Any, registry: RealRegistry, site: RealRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.image([b"kde"], "kde-v1")
    registry.image([b"gnome"], "gnome-v1")
    path = tmp_path / "archive"
    exported, imported = exporting(registry, path), importing(site, path)
    with Layout(path).lock(shared=False):
        assert run(image_archive, check=True, **exported)["changed"] is True
    assert not path.exists()
    run(image_archive, **exported)
    before = sorted(path.rglob("*"))
    busy = {
        "failed": True,
        "reason": "busy",
        "msg": f"Another export or import is at work on {path}. Wait until it has ended, and run again.",
    }
    for shared, done, refused in ((False, [], [exported, imported]), (True, [imported], [exported])):
        with Layout(path).lock(shared=shared):
            for wanted in done:
                assert not run(image_archive, check=True, **wanted).get("failed")
            for wanted in refused:
                assert run(image_archive, **wanted) == busy
            assert (run(image_archive, check=True, **exported).get("reason") == "busy") is not shared
    for wanted in (exported, imported):
        assert not run(image_archive, check=True, **wanted).get("failed")
    assert sorted(path.rglob("*")) == before

    def refuse(*_unused: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(layout.fcntl, "flock", refuse)
    warned = run(image_archive, **exported)
    assert warned["changed"] is False
    assert [text for text in map(str, warned["warnings"]) if "cannot be locked: No locks available" in text]


def test_what_is_not_an_archive_is_left_alone(run: Any, registry: RealRegistry, tmp_path: Path) -> None:
    registry.image([b"x"], "kde-v1")
    registry.image([b"x"], "gnome-v1")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").touch()
    for check in (True, False):
        refused = run(image_archive, check=check, **exporting(registry, tmp_path / "home"))
        assert (refused["reason"], "is not empty" in refused["msg"]) == ("invalid", True)
    assert [file.name for file in (tmp_path / "home").iterdir()] == ["letter"]
    absent = run(image_archive, state="imported", path=str(tmp_path / "home"), target="r.example/os")
    assert (absent["reason"], "no OCI layout" in absent["msg"]) == ("invalid", True)


@pytest.mark.exhaustive
def test_the_playbooks_carry_a_release_file(
    registry: RealRegistry, site: RealRegistry, published: dict[str, str], tmp_path: Path, collections_path: Path
) -> None:
    key = new_key(tmp_path)
    variant = {"name": "kde", "image": f"{registry.name}", "digest": published["kde"], "version": "1"}
    tags = {"tags": ["os-kde-1", "kde-stable", "kde1-latest"], "moving_tags": ["kde-stable", "kde1-latest"]}
    release = {"version": "1", "variants": [{**variant, **tags, "size": 7}]}
    (tmp_path / "v1.json").write_text(json.dumps(release))
    (tmp_path / "auth.json").write_text("{}")
    fleet = SimulatedFleet(tmp_path, registry.address, collections_path)
    common = {"bootc_archive": "archive", "bootc_tls_verify": False, "bootc_auth_file": "auth.json"}
    done = fleet.run("image_export", **common, bootc_release_file="v1.json")
    assert done.rc == 0, done.output
    refused = fleet.run(
        "image_import",
        **common,
        bootc_archive_target=f"{site.address}/mirror/{{repository}}",
        bootc_trust_keys=key.with_suffix(".pub").name,
    )
    assert "which none of the keys signed" in refused.sentence(), refused.output
    assert site.tags() == []
    done = fleet.run(
        "image_import",
        **common,
        bootc_archive_target=f"{site.address}/mirror/{{repository}}",
        bootc_trust_keys=key.with_suffix(".pub").name,
        bootc_archive_verify=False,
    )
    assert done.rc == 0, done.output
    assert site.has(published["kde"])
    assert f"{site.name}:os-kde-1 is {published['kde']}" in done.sentence()
    assert [tag for tag in site.tags() if not tag.startswith("sha256-")] == ["os-kde-1"]
    written = json.loads((tmp_path / "releases" / site.address.replace(":", "-") / "v1.json").read_text())
    assert written == {
        "version": "1",
        "variants": [{**variant, "image": site.name, "tags": ["os-kde-1"], "moving_tags": [], "size": 7}],
    }
    again = fleet.run("image_import", **common, bootc_archive_target=f"{site.address}/mirror/{{repository}}")
    assert (again.rc, " changed=0 " in again.output) == (0, True), again.output
    (tmp_path / "archive" / "release.json").write_text(json.dumps({**release, "version": "../../1"}))
    refused = fleet.run("image_import", **common, bootc_archive_target=f"{site.address}/mirror/{{repository}}")
    assert "release.json is no release file" in refused.sentence()
    done = fleet.run("image_export", **common, bootc_archive_images=[f"{registry.name}:kde-v1"])
    assert (done.rc, (tmp_path / "archive" / "release.json").exists()) == (0, False), done.output
