"""`//launch:evaluator_gpu`: //launch:evaluator on GPU 0, and with the GPU wheel."""

import sys

from launch import evaluator

if __name__ == "__main__":
    sys.exit(evaluator.main(cuda_visible_devices="0"))
