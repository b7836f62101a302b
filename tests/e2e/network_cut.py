#!/usr/bin/env python3
"""The link between two ranks is cut in the midst of a job; both still reach the coordinator. The
generation ends, and once the link has healed the job ends as one without faults.

Each worker is in a network namespace of its own and reaches the other one only through a third,
that of the coordinator, which forwards packets between them or drops them. Needs root, as it makes
namespaces; prints why it is skipped where that is not allowed."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

DATA = pathlib.Path("tests/data").resolve()
STEPS = 600
CUT_AT = 60
NOTICED_WITHIN = 90  # a minute (worker/comm/gloo_backend.cc), and some more on a slow machine


class Hub:
    """The namespaces, and what runs in them."""

    def __init__(self, bin_dir, scratch):
        self.bin_dir, self.scratch = bin_dir, scratch
        self.name = f"rondo-{os.getpid()}"
        self.namespaces, self.processes = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        for namespace in self.namespaces:
            run("ip", "netns", "del", namespace)

    def make(self):
        self.add_namespace(self.name)
        for number in (1, 2):
            worker = f"{self.name}-{number}"
            self.add_namespace(worker)
            run("ip", "-n", worker, "link", "add", "eth0", "type", "veth", "peer", "name",
                f"worker{number}", "netns", self.name)
            for namespace, device, host in ((self.name, f"worker{number}", 1), (worker, "eth0", 2)):
                address = f"10.77.{number}.{host}/24"
                run("ip", "-n", namespace, "address", "add", address, "dev", device)
                run("ip", "-n", namespace, "link", "set", device, "up")
            run("ip", "-n", worker, "route", "add", "default", "via", f"10.77.{number}.1")
        self.forward(True)

    def add_namespace(self, name):
        run("ip", "netns", "add", name)
        self.namespaces.append(name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def forward(self, on):
        self.command("sh", "-c", f"echo {int(on)} >/proc/sys/net/ipv4/ip_forward")

    def dropped(self):
        """Packets that were to be forwarded, and were not."""
        names, values = [line.split() for line in self.command("cat", "/proc/net/snmp").splitlines()
                         if line.startswith("Ip:")]
        return int(values[names.index("InAddrErrors")])

    def command(self, *argv):
        return run("ip", "netns", "exec", self.name, *argv)

    def start(self, namespace, line, program, *arguments):
        """Returns the line of its log that contains `line`; the log is a file."""
        log = self.scratch / f"{namespace}-{program}.log"
        with open(log, "w", encoding="utf-8") as out:
            self.processes.append(subprocess.Popen(
                ["ip", "netns", "exec", namespace, self.bin_dir / program, *arguments], stderr=out))
        while self.processes[-1].poll() is None:
            found = [text for text in log.read_text(encoding="utf-8").splitlines() if line in text]
            if found:
                return found[0]
            time.sleep(0.02)
        sys.exit(f"{program} ended: {log.read_text(encoding='utf-8')}")

    def rondo(self, *arguments):
        return self.command(self.bin_dir / "rondo", *arguments)

    def watch(self, server, job):
        """Events, as they come."""
        argv = ["ip", "netns", "exec", self.name, self.bin_dir / "rondo", "watch", job, "--server",
                server, "--json"]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        return map(json.loads, process.stdout)


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")
    return done.stdout


def submit(hub, server):
    return hub.rondo("submit", "--server", server, "--model", DATA / "models/llama-tiny",
                     "--calibration", DATA / "text/calibration.txt", "--samples", "8", "--seq-len",
                     "64", "--group-size", "32", "--method", "vqround", "--init", "rtn", "--steps",
                     str(STEPS), "--checkpoint-every", "20", "--workers", "2").split()[0]


def finished(hub, server, job):
    """The job, once it has SUCCEEDED, and the SHA-256 of each of its weight files."""
    job = json.loads(hub.rondo("get", job, "--server", server, "--json"))
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    return job, {file["name"]: file["sha256"] for file in job["artifacts"]
                 if file["name"].endswith(".safetensors")}


def cut_in_the_midst(hub, server, job):
    """Cuts at a step, heals when the generation has ended; returns how long that took."""
    cut_at = noticed = None
    for event in hub.watch(server, job):
        step = int(event.get("training_step", {}).get("step", 0))
        if cut_at is None and step >= CUT_AT:
            hub.forward(False)
            cut_at = time.monotonic()
        if event.get("state_changed", {}).get("state") == "JOB_STATE_RECOVERING":
            assert cut_at is not None, "it ended before the cut"
            noticed = time.monotonic() - cut_at
            print("the generation ended:", event["state_changed"]["error"]["message"], flush=True)
            hub.forward(True)
    assert noticed is not None, "the cut ended no generation"
    return noticed


def test(hub):
    listening = hub.start(hub.name, "listening on", "rondo-server", "--listen", "0.0.0.0:0",
                          "--insecure", "--state-dir", hub.scratch / "state")
    port = listening.split("listening on ")[1].split()[0].rsplit(":", 1)[1]
    server = f"127.0.0.1:{port}"
    for number in (1, 2):
        hub.start(f"{hub.name}-{number}", "attached to", "rondo-worker", "--coordinator",
                  f"10.77.{number}.1:{port}", "--advertise-host", f"10.77.{number}.2", "--device",
                  "cpu", "--id", f"w{number}", "--cache-dir", hub.scratch / "cache")

    quiet = submit(hub, server)
    for _ in hub.watch(server, quiet):
        pass
    _, expected = finished(hub, server, quiet)
    assert hub.dropped() == 0, "packets were lost before the cut"

    job_id = submit(hub, server)
    noticed = cut_in_the_midst(hub, server, job_id)
    job, weights = finished(hub, server, job_id)
    print(f"{hub.dropped()} packets dropped; noticed after {noticed:.1f} s; generations: "
          f"{job['generation']}; retries: {job['retries']}")
    assert hub.dropped() > 0
    assert noticed < NOTICED_WITHIN, noticed
    assert int(job["generation"]) == 2 and job["retries"] == 1, job
    assert expected and weights == expected, (weights, expected)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True)
    bin_dir = parser.parse_args().bin_dir.resolve()
    with tempfile.TemporaryDirectory() as scratch, Hub(bin_dir, pathlib.Path(scratch)) as hub:
        try:
            hub.make()
        except OSError as error:
            print(f"skipped: no network namespaces here ({error})")
            return
        test(hub)
    print("the weights are those of a run without faults")


if __name__ == "__main__":
    main()
