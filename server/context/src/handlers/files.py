import base64
import gzip

BLOCKS = ("files",)


def apply(block, config):
    """Either a list of maps, or a map of paths and texts."""
    if isinstance(config, dict):
        config = [dict(value, path=path) if isinstance(value, dict) else {"path": path, "content": value}
                  for path, value in config.items()]
    for file in config:
        known(file, "path", "content", "encoding", "mode", "permissions", "owner", "append")
        content = file.get("content", "")
        content = content if isinstance(content, bytes) else str(content).encode()
        encoding = file.get("encoding", "text")
        if encoding not in ("text", "base64", "gz+base64"):
            raise Failed("encoding is text, base64 or gz+base64, not %s" % encoding)
        if encoding != "text":
            content = base64.b64decode(content)
        if encoding == "gz+base64":
            content = gzip.decompress(content)
        mode = str(file.get("mode", file.get("permissions", "0644")))
        if not re.match("^[0-7]{3,4}$", mode):
            raise Failed("mode is octal and in quotes, as '0644', not %s" % mode)
        name = place(file["path"])
        if file.get("append") and os.path.exists(name):
            content = open(name, "rb").read() + content
        write(file["path"], content, int(mode, 8))
        if file.get("owner"):
            run("chown", str(file["owner"]), name)
