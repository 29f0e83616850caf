"""A sweep on a Ray cluster of two nodes, one of which is killed in the middle of it."""

import argparse
import tempfile
from pathlib import Path

import ray
from ray.cluster_utils import Cluster
from sweep import Sweep, tell

SEEDS = "0,1,2,3"
# Without it a run of half a minute writes its state once, if at all.
SAVED = "train.save_every_steps=20"


def main() -> None:
    """Run the sweep by Hydra's own launcher and by Ray's, and compare."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reference = Sweep(Path(folder) / "basic", SEEDS, SAVED).start()
        reference.end()
        tell(f"Ray {ray.__version__}: a head without GPU and two nodes with a logical GPU each")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
        try:
            cluster.add_node(num_cpus=2, num_gpus=1)
            doomed = cluster.add_node(num_cpus=2, num_gpus=1)
            half = (SAVED, "hydra/launcher=ray", "hydra.launcher.ray.remote.num_gpus=0.5")
            sweep = Sweep(Path(folder) / "ray", SEEDS, *half, environment={"RAY_ADDRESS": cluster.address}).start()
            seeds = [int(seed) for seed in SEEDS.split(",")]
            sweep.wait_for("all four jobs are at work, two on a GPU", lambda: all(map(sweep.has_state, seeds)))
            cluster.remove_node(doomed, allow_graceful=False)
            tell("a node is killed, with the two jobs on it")
            sweep.end()
        finally:
            Sweep.end_all()
            cluster.shutdown()
        sweep.compare(reference, SEEDS)


if __name__ == "__main__":
    main()
