"""`dreambot doctor`: checks everything that dreambot needs and suggests fixes.

Without network or token it reports that and makes the other checks.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bot.config.settings import Config
from bot.operations.doctor_data import check_folder
from bot.operations.doctor_discord import check_discord
from bot.operations.doctor_report import Finding, Severity, bad, good, note, render, summary
from bot.operations.engine_process import local_engine
from bot.text import count
from engine.protocol.messages import STARTING, Ready

ENGINE_SECONDS = 120.0
"""Limit for a start of the engine; importing torch takes long on a slow disk."""
ROOT = Path(__file__).resolve().parents[2]
OLD_GPUS = "https://download.pytorch.org/whl/cu126"


async def examine(config: Config) -> int:
    """Print each finding at once. Returns 1 if there is a problem, else 0."""
    findings = []
    async for finding in _findings(config):
        print(render(finding, colour=sys.stdout.isatty()), flush=True)
        findings.append(finding)
    print(summary(findings))
    return int(any(finding.verdict is Severity.BAD for finding in findings))


async def _findings(config: Config) -> AsyncIterator[Finding]:
    async for finding in check_discord(config):
        yield finding
    for finding in check_folder(config.folder, config.retention):
        yield finding
    python = config.engine.python or sys.executable
    wanted = () if config.engine.workers == "ray" else config.engine.worker_devices
    for finding in device_findings(await probe(python), *wanted):
        yield finding
    if config.engine.compile == "on":
        yield compile_finding(await probe(python, "--compile", config.engine.device))
    for finding in engine_findings(await first_ready(config)):
        yield finding


async def probe(python: str, *question: str) -> dict[str, Any]:
    """The devices that torch sees, asked in a child process; {"error": …} if that fails."""
    environ = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            "-m",
            "engine.runtime.probe",
            *question,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environ,
            cwd=ROOT,
        )
        out, problem = await asyncio.wait_for(process.communicate(), ENGINE_SECONDS)
    except (OSError, TimeoutError) as error:
        return {"error": str(error) or "it took too long"}
    if process.returncode:
        return {"error": (problem.decode(errors="replace").strip().splitlines() or ["it died"])[-1]}
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def device_findings(found: dict[str, Any], *wanted: str) -> list[Finding]:
    """One finding for torch, one for each device, and one for each of the *wanted* ones that does not exist."""
    if "error" in found:
        return [bad("torch", f"torch cannot be used: {found['error']}.", "Install dreambot again: pip install -e .")]
    devices = found["devices"]
    build = f"CUDA {found['cuda']}" if found["cuda"] else "CPU build"
    findings = [good("torch", f"{found['torch']} ({build})"), *(_device(device, found) for device in devices)]
    names = {device["name"] for device in devices} | {device["name"].split(":")[0] for device in devices}
    if missing := sorted({*wanted} - {"auto", *names}):
        key = "devices to some" if len(wanted) > 1 else "device to auto or one"
        remedy = f"Set [engine] {key} of {', '.join(sorted(names))}."
        findings += [bad("device", f"config.toml names “{name}”, which does not exist.", remedy) for name in missing]
    elif names == {"cpu"}:
        remedy = (
            "With an NVIDIA GPU, install its driver and a torch with CUDA (https://pytorch.org/get-started/locally)."
        )
        findings.append(note("device", "No GPU found: small pictures take seconds, large ones minutes.", remedy))
    return findings


def _device(device: dict[str, Any], found: dict[str, Any]) -> Finding:
    memory = f", {device['bytes'] / 2**30:.0f} GB" if device["bytes"] else ""
    shown = f"{device['title']}{memory}"
    if not device["problem"]:
        return good(device["name"], shown)
    if capability := device.get("capability"):
        served = [arch.removeprefix("sm_") for arch in device["served"] if arch.startswith("sm_")]
        if served and int(str(capability).replace(".", "")) < min(int("".join(filter(str.isdigit, a))) for a in served):
            return bad(
                device["name"],
                f"{shown}: this torch ({found['torch']}) no longer supports it (compute capability {capability}).",
                f"Install a torch that does: pip install torch torchvision --index-url {OLD_GPUS} "
                "(CUDA 12.6 still supports Pascal and Volta), or set [engine] device to cpu.",
            )
    return bad(device["name"], f"{shown}: {device['problem']}", "Update its driver, or set [engine] device to cpu.")


def compile_finding(found: dict[str, Any]) -> Finding:
    if problem := found.get("error") or found["problem"]:
        remedy = (
            "On a processor install a C++ compiler (Debian: apt install g++); on a GPU Triton comes with PyTorch's "
            'CUDA build. Or set [engine] compile = "off". Pictures are painted without it, too.'
        )
        return note("compile", f"Models cannot be compiled here: {problem}", remedy)
    return good("compile", "a small model was compiled")


async def first_ready(config: Config) -> Ready | str:
    """Start the engine once as the bot would. Returns its capabilities, or why it does not start."""
    engine = local_engine(config.engine, None)
    await engine.start()
    try:
        async with asyncio.timeout(ENGINE_SECONDS):
            async for event in engine.events():
                if isinstance(event, Ready) and not any(worker.trouble == STARTING for worker in event.workers):
                    return event
    except TimeoutError:
        return f"it was not ready after {ENGINE_SECONDS:.0f} seconds"
    finally:
        await engine.close()
    return "its process ended at once"


def engine_findings(ready: Ready | str) -> list[Finding]:
    """The engine, then missing weights."""
    again = "Run python -m engine.worker.main and read its output; usually torch is not installed properly."
    if isinstance(ready, str):
        return [bad("engine", f"The engine does not start: {ready}.", again)]
    if not ready.methods and "engine" in ready.unavailable:
        return [bad("engine", ready.unavailable["engine"], again)]
    kinds = {"methods": ready.methods, "models": ready.models, "upscalers": ready.upscalers}
    able = "; ".join(f"{kind} {', '.join(names) or 'none'}" for kind, names in kinds.items())
    findings = [good("engine", f"starts on {ready.device}; {able}")]
    if len(ready.workers) > 1:
        findings += [
            bad("worker", f"{worker.name} accepts no jobs: {worker.trouble}.", again)
            if worker.trouble
            else good("worker", f"{worker.name} paints on {worker.device}, {worker.slots} pictures at a time")
            for worker in ready.workers
        ]
    if not ready.unavailable:
        return [*findings, good("weights", "complete")]
    absent = {name for name, why in ready.unavailable.items() if why.startswith("not downloaded")}
    named = {name: why for name, why in ready.unavailable.items() if name not in absent}
    missing = [note("weights", f"{name}: {why}.".replace("..", ".")) for name, why in named.items()]
    if absent:
        missing.append(
            note("weights", f"{count(len(absent), 'published model')} can be downloaded: see docs/weights.md.")
        )
    if not ready.models or not ready.methods:
        remedy = "The small model's weights are part of the package: install it again."
        missing.append(bad("weights", "Nothing can be painted.", remedy))
    return findings + missing
