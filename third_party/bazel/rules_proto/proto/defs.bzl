"""Bazel's native protobuf rules under the names that its embedded tools load."""

load(":native.bzl", "proto_info")

ProtoInfo = proto_info
proto_lang_toolchain = native.proto_lang_toolchain
proto_library = native.proto_library
