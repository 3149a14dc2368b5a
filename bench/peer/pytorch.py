#!/usr/bin/env python3
"""Decode the demo model with PyTorch (transformers' DeepseekV4ForCausalLM) and with dsv4, in turns.

Started by pytorch.sh. The peer gets what suits it best: its own cache, BF16 weights (the demo's, dequantised
once), torch.inference_mode, a warm-up, no generate() around the model but a loop that takes the argmax, every
implementation of experts it has, and torch.compile where that works within its time. Of each the best window
counts, of dsv4 the best of its own runs between them. A variant counts if its text begins as dsv4's.

Exit codes: 0 dsv4 is at least ten times as fast, 1 it is not or something failed.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

PROMPT = "Once upon a time there was a fox who"
BAR = 10
VARIANTS = [("eager", False), ("batched_mm", False), ("grouped_mm", False), ("eager", True), ("batched_mm", True)]


def dequantise(folder, out):
    """The main model under its official names, quantised matrices expanded to BF16; formats told by the tensors."""
    import torch
    from safetensors.torch import load_file, save_file
    levels = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6])
    stored, plain = {}, {}
    for file in sorted(folder.glob("*.safetensors")):
        stored.update(load_file(file))
    for name, t in stored.items():
        stem = name.removesuffix(".weight")
        if name.startswith("mtp.") or name.endswith(("scale", "_scale_2")) and not name.split(".")[-1].startswith("hc_"):
            continue
        if t.dtype == torch.float8_e4m3fn:     # a scale for each block of 128x128
            scale = stored[stem + ".scale"].float().repeat_interleave(128, 0).repeat_interleave(128, 1)
            t = (t.float() * scale[: t.shape[0], : t.shape[1]]).bfloat16()
        elif stem + ".weight_scale_2" in stored:  # NVFP4: two codes a byte, a scale for each 16
            codes = torch.stack((t & 15, t >> 4), -1).flatten(-2).long()
            scale = stored[stem + ".weight_scale"].float() * stored[stem + ".weight_scale_2"]
            t = (levels[codes] * scale.repeat_interleave(16, 1)).bfloat16()
        elif t.dtype in (torch.uint8, torch.int8):
            sys.exit(f"pytorch.py: {name}: expected FP8 or NVFP4, found {t.dtype}")
        plain[name] = t.contiguous()
    save_file(plain, out / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    for key in ("quantization_config", "expert_dtype", "num_nextn_predict_layers"):
        config.pop(key, None)
    config["compress_ratios"] = config["compress_ratios"][: config["num_hidden_layers"]]
    (out / "config.json").write_text(json.dumps(config))


def worker(folder, experts, compiled, ids, steps, windows, threads):
    """One variant, in a process of its own: prints its windows so far and its tokens as JSON, a line after each window."""
    import torch
    import transformers
    from transformers import DeepseekV4ForCausalLM
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    model = DeepseekV4ForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager",
                                                  experts_implementation=experts).eval()
    call = torch.compile(model, dynamic=True) if compiled else model
    written, rates = [], []
    with torch.inference_mode():
        step = call(torch.tensor([ids]), use_cache=True, logits_to_keep=1)
        cache, token = step.past_key_values, step.logits[:, -1:].argmax(-1)

        def decode(n):
            nonlocal token
            for _ in range(n):
                written.append(token)
                token = call(token, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1:].argmax(-1)

        decode(steps)  # warm-up: kernels are chosen, or compiled
        for _ in range(windows):
            start = time.perf_counter()
            decode(steps)
            rates.append(steps / (time.perf_counter() - start))
            print(json.dumps({"rates": rates, "ids": torch.cat(written, 1)[0].tolist(), "torch": torch.__version__,
                              "transformers": transformers.__version__, "dtype": str(model.lm_head.weight.dtype)}), flush=True)


def run_dsv4(program, *args):
    done = subprocess.run([program, *args], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"pytorch.py: {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def bench_dsv4(a, ids):
    out = json.loads(run_dsv4(a.dsv4, "bench", str(a.model), "--json", "--prefill", "0", "--batch", "1", "--context", str(len(ids)),
                              "--decode", str(4 * a.steps), "--threads", str(a.threads), "--seconds", "20"))
    return out["results"][0]["tokens_per_second"]


def agree(peer, own):
    return next((i for i, (p, q) in enumerate(zip(peer, own)) if p != q), min(len(peer), len(own)))


def compare(a, folder):
    ids = [0] + [int(i) for i in run_dsv4(a.dsv4, "tokenize", str(a.model), "-p", PROMPT).split()]
    text = json.loads(run_dsv4(a.dsv4, "run", str(a.model), "--raw", "-p", PROMPT, "-n", "32", "--temperature", "0",
                               "--numerics", "plain", "--json"))
    own, peer, versions, best_name = bench_dsv4(a, ids), 0.0, "", ""
    print(f"load of the machine {os.getloadavg()[0]:.1f}; {a.threads} threads, batch 1, {len(ids)} tokens of context")
    for experts, compiled in VARIANTS:
        name = f"experts {experts}{', torch.compile' if compiled else ''}"
        call = [sys.executable, __file__, "--worker", json.dumps([str(folder), experts, compiled, ids, a.steps, a.windows, a.threads])]
        env = {**os.environ, "OMP_NUM_THREADS": str(a.threads), "CUDA_VISIBLE_DEVICES": ""}
        try:
            done = subprocess.run(call, capture_output=True, text=True, timeout=a.limit, env=env)
            lines, why = done.stdout.splitlines(), (done.stderr.strip().splitlines() or ["?"])[-1][:120]
        except subprocess.TimeoutExpired as e:  # the windows that it finished count
            lines, why = (e.stdout or b"").decode().splitlines(), f"no window done in {a.limit} s"
        if not lines:
            print(f"  PyTorch, {name}: {why}", flush=True)
            continue
        result = json.loads(lines[-1])
        rate, same = max(result["rates"]), agree(result["ids"], text["ids"])
        now = bench_dsv4(a, ids)
        own = max(own, now)
        versions = f"torch {result['torch']}, transformers {result['transformers']}, {result['dtype']}"
        print(f"  PyTorch, {name}: {rate:.2f} tok/s; the first {same} tokens as dsv4's under plain; dsv4 then {now:.1f} tok/s",
              flush=True)
        if same < 4:
            print("    another text from the start: not counted", flush=True)
        elif rate > peer:
            peer, best_name = rate, name
    if not peer:
        sys.exit("pytorch.py: no variant of the peer ran and wrote dsv4's text")
    ratio = own / peer
    print(f"PyTorch  {peer:8.2f} tok/s  ({versions}; {best_name})")
    print(f"dsv4     {own:8.2f} tok/s  ({run_dsv4(a.dsv4, '--version').splitlines()[0]}, weights as they are stored)")
    print(f"ratio    {ratio:8.2f} x      expected >= {BAR} x: {'holds' if ratio >= BAR else 'DOES NOT HOLD'}")
    return 0 if ratio >= BAR else 1


def main():
    p = argparse.ArgumentParser(description="decode the demo model with PyTorch and with dsv4, in turns")
    p.add_argument("--dsv4", help="the program")
    p.add_argument("--model", type=pathlib.Path, help="the demo's folder")
    p.add_argument("--threads", type=int, default=2, help="of both (default: 2)")
    p.add_argument("--steps", type=int, default=16, help="tokens of a window (default: 16)")
    p.add_argument("--windows", type=int, default=5, help="of which the best counts (default: 5)")
    p.add_argument("--limit", type=int, default=240, help="seconds for one variant of the peer (default: 240)")
    p.add_argument("--worker", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.worker:
        return worker(*json.loads(a.worker))
    with tempfile.TemporaryDirectory() as folder:
        dequantise(a.model, pathlib.Path(folder))
        return compare(a, folder)


if __name__ == "__main__":
    sys.exit(main())
