"""Main of //serving:bundle: a model with its service, ready to upload to the platform."""

import argparse
import logging
import os
import sys
from typing import List, Optional

from data_pipeline import command_line, errors, file_tree, tree_archive
from serving import service_loader

_DESCRIPTION = """\
Writes the SavedModel found in --model_dir as model/, and beside it model_service.py, config.json,
requirements.txt, input.json (a request of 512 generated rows) and MANIFEST.json, which lists them
all. Equal models give equal bytes. The model has to answer a request before anything is written.
"""

_EXAMPLES = """\
examples:
  bundle --model_dir=/opt/ml/model/export/saved_model --output=/tmp/infer
  bundle --model_dir=/opt/ml/model/export/saved_model --output=infer.tar.gz

  cd /tmp/infer && TI_MODEL_DIR=$PWD python3 -m tiinfer --port 8501      as the platform does
"""

# Beside this file also in a Bazel runfiles tree.
_FOLDER = os.path.dirname(os.path.abspath(__file__))
_SERVICE = "model_service.py"
_FILES = ("config.json", "input.json", _SERVICE, "requirements.txt")
_MODEL = "model"

_KIND = file_tree.Kind("bundle", "ctr-serving-bundle-1")

_EXIT_FAILED = 1
_EXIT_USAGE = 2


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0, 2 for what the user has to change, or 1 where the output cannot be written."""
    command_line.enter_users_folder()
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # no GPU is worth its memory here
    # TensorFlow's warnings and errors; its information is about itself.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    try:
        print(_run(options.model_dir, options.output))
    except (errors.InputError, file_tree.TreeError, service_loader.ServiceError) as error:
        print("bundle: error: %s" % error, file=sys.stderr)
        return _EXIT_USAGE
    except OSError as error:
        print("bundle: error: cannot write %s: %s" % (options.output, error), file=sys.stderr)
        return _EXIT_FAILED
    return 0


def items(saved_model: str, folder: str) -> List[file_tree.Item]:
    """Returns the files of a bundle.

    Args:
      saved_model: The model's folder.
      folder: Has the files that lie beside the model.
    """
    found = [
        item._replace(path="%s/%s" % (_MODEL, item.path))
        for item in file_tree.list_folder(saved_model)
    ]
    return found + [file_tree.Item(name, source=os.path.join(folder, name)) for name in _FILES]


def _parser() -> argparse.ArgumentParser:
    # No abbreviations: scripts that use one break when a flag is added.
    parser = argparse.ArgumentParser(
        prog="bundle",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--model_dir",
        required=True,
        metavar="DIR",
        help="folder with the SavedModel, any depth; of several versions the newest",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR|FILE.tar.gz|FILE.zip",
        help="folder or archive to write; an earlier bundle there is replaced",
    )
    return parser


def _run(model_dir: str, output: str) -> str:
    service_class = service_loader.load_class(os.path.join(_FOLDER, _SERVICE))
    saved_model = service_loader.build(service_class, model_dir, warmup=True).saved_model
    write = tree_archive.write if tree_archive.is_archive(output) else file_tree.write_folder
    files = items(saved_model, _FOLDER)
    content_sha256 = write(output, files, _KIND)
    text = "%s: model %s, %d files, content sha256 %s"
    return text % (output, saved_model, len(files), content_sha256)


if __name__ == "__main__":
    sys.exit(main())
