"""What run folders say: reads them, and knows nothing of training."""
