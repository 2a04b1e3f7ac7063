"""`//launch:worker_gpu`: //launch:worker on GPU 0, and with the GPU wheel."""

import sys

from launch import worker

if __name__ == "__main__":
    sys.exit(worker.main(cuda_visible_devices="0"))
