"""code_package: the training sources and start scripts as one folder that plain Python can run."""

# With the licence and the version.
_OF_WHEELS = "'(' -name '*.py' -o -path '*.dist-info/LICENSE' -o -path '*.dist-info/METADATA' ')'"

def _code_package_impl(ctx):
    output = ctx.actions.declare_directory(ctx.label.name)
    sources = {}
    for target in ctx.attr.srcs:
        # A library brings what it imports; a filegroup is taken as it is.
        files = [target[PyInfo].transitive_sources] if PyInfo in target else [target[DefaultInfo].files]
        for file in depset(transitive = files).to_list():
            # What comes from the package index is on the platform already.
            if file.owner.workspace_name:
                continue
            if file.extension != "py" or not file.is_source:
                fail("%s: expected checked-in .py files, got %s" % (ctx.label, file.short_path))
            sources[file.short_path] = file
        for file in target[DefaultInfo].default_runfiles.files.to_list():
            # The native libraries of our own that the modules load.
            if file.extension == "so" and not file.owner.workspace_name:
                sources[file.short_path] = file
    for file in ctx.files.scripts:
        if file.extension != "sh":
            fail("%s: expected .sh files, got %s" % (ctx.label, file.short_path))
        if file.basename in sources:
            fail("%s: two files for %s" % (ctx.label, file.basename))
        sources[file.basename] = file

    # A regular package wins over a namespace package of the same name anywhere on sys.path, and the
    # platform's image may well have some package called "model": so ours are regular ones here.
    folders = {}
    for path in sources:
        parts = path.split("/")[:-1]
        folders.update({"/".join(parts[:depth + 1]): None for depth in range(len(parts))})

    lines = ["set -eu", "root=\"$PWD\"", "package=\"$PWD/$1\"", "cd \"$package\""]
    for folder in sorted(folders):  # A folder sorts before what it holds.
        lines.append("mkdir '%s' && : >'%s/__init__.py'" % (folder, folder))
    for path in sorted(sources):
        lines.append("cp -L \"$root/%s\" '%s'" % (sources[path].path, path))
    wheels = []
    for target in ctx.attr.wheels:
        wheels += [f for f in target[DefaultInfo].default_runfiles.files.to_list() if f.basename == "site-packages"]
    for wheel in wheels:
        # Its compiled part would be for one Python alone.
        lines.append("cd \"$root/%s\"" % wheel.path)
        lines.append("find -L . -type f %s -exec cp --parents '{}' \"$package\" ';'" % _OF_WHEELS)
    ctx.actions.run_shell(
        outputs = [output],
        inputs = sources.values() + wheels,
        command = "\n".join(lines),
        arguments = [output.path],
        mnemonic = "CodePackage",
        progress_message = "Collecting the code package %s" % ctx.label,
    )

    # Without runfiles the folder would be missing where a program has this target as data.
    return [DefaultInfo(files = depset([output]), runfiles = ctx.runfiles([output]))]

code_package = rule(
    implementation = _code_package_impl,
    attrs = {
        "scripts": attr.label_list(
            allow_files = [".sh"],
            doc = "Start scripts; they go to the top of the folder.",
        ),
        "srcs": attr.label_list(
            allow_files = [".py"],
            doc = "Libraries or files; each file keeps its path in the workspace.",
        ),
        "wheels": attr.label_list(
            doc = "What the platform's image lacks: requirement(...) of packages that work without their compiled part.",
        ),
    },
    doc = "Writes a folder of sources, the same bytes for the same inputs; never any credentials.",
)
