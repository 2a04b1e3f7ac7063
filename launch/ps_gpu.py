"""`//launch:ps_gpu`: //launch:ps with the GPU wheel, for images that have only that."""

import sys

from launch import ps

if __name__ == "__main__":
    sys.exit(ps.main(cuda_visible_devices="0"))
