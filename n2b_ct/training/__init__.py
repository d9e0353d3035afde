"""One trainer for every trainable method: MONAI's Trainer, handlers for everything but the equations."""
