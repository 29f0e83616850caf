"""What the files of a run folder are called, as paths below it."""

# A setting names a run, and its weights are meant.
from pets_seg.config.weights import BEST as BEST

CONFIG = "config.yaml"
STATUS = "status.json"
METRICS = "metrics.csv"
# Written if a tracker asks for it: figures of every few steps, and pictures of a few epochs.
STEPS = "steps.csv"
PICTURES = "pictures.npz"
SUMMARY = "summary.json"
PER_IMAGE = "per_image.csv"
CALIBRATION = "calibration.csv"
DATA = "data.csv"
RESULT = "result.png"
LOG = "train.log"
LOCK = ".lock"
CHECKPOINTS = "checkpoints"
LAST = f"{CHECKPOINTS}/last.pt"
WANDB = "wandb"
TENSORBOARD = "tensorboard"
# Hydra's own: how and where the command was started, and the words of the run alone.
HYDRA, OVERRIDES = ".hydra/hydra.yaml", ".hydra/overrides.yaml"
# It has a folder for each evaluation, with EVALUATION and PER_IMAGE.
EVALUATIONS = "evaluations"
EVALUATION = "evaluation.json"
# In the folder of a sweep: Optuna's database of a search.
STUDY = "study.db"
# In the folder of a sweep: its page, and what Hydra keeps of its command.
PAGE, MULTIRUN = "report.html", "multirun.yaml"
# Of a sweep that decides: what was declared before its first run, and what its looks told.
DESIGN = "design.json"
VERDICTS = "verdicts"
