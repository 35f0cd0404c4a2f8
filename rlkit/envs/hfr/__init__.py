"""Task distributions of HFR (Hindsight Foresight Relabeling), under names of their own where oyster has another task."""
