"""What defs.bzl exports under its own name, which a file cannot assign and read at once."""

# Global in 4.2.3.
proto_info = ProtoInfo  # buildifier: disable=native-proto-info
