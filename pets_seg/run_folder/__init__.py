"""The one place that knows the files of a run and of a sweep; reading them needs no PyTorch."""
