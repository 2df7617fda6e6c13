# SPDX-License-Identifier: ISC
"""The browser client that people have copied from the original service's
documentation, unchanged but for the port, in a real browser."""

import contextlib
import http.server
import os
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

from mpushlib import DEADLINE, SLOWNESS, push, wait_until

BROWSER_DEADLINE = 60 * SLOWNESS    # a browser takes its time to start

CLIENT = """\
var client = new WebSocket("ws://127.0.0.1:2245")
var TOKEN = "mpush"
var DEVICE_ID = "test"
client.onopen=function(){
  client.send(TOKEN)//TOKEN
}
client.onmessage=function(wsres){
  let { cmd,data } = JSON.parse(wsres.data)
  switch(cmd){
    case "AUTH":
      let {code,msg} = data
      if(code === 200){
        client.send(DEVICE_ID)
      }
      console.log(msg)
      break
    case "LOGIN":
      let {name} = data
      console.log(`Login: ${name}`)
      break
    case "MESSAGE":
      let {msgList} = data
      let midList = []
      console.log(`${msgList.length}条来自服务器的消息：`)
      msgList.forEach((item)=>{
        console.log(`title: ${item.title}`)
        console.log(`content: ${item.content}`)
        console.log(`mid: ${item.mid}`)
        console.log()
        midList.push(item.mid)
      })
      client.send(JSON.stringify({
        cmd: "SENDMSG_CB", //: String
        data: { //: Object
          midList
        }
      }))
      break
  }
}
"""

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync",
         "--remote-debugging-port=0", "--enable-logging=stderr"]


class Page(http.server.BaseHTTPRequestHandler):
    """Serves the one page that the server has."""

    def do_GET(self):
        body = self.server.page.encode()
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def page_server(page):
    """Yields the URL of a page on the loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.page = page
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE)


@contextlib.contextmanager
def browser(url, folder):
    """Yields a function that returns what the console says."""
    program = shutil.which("chromium")
    assert program, "these tests need chromium"
    log = folder / "browser.log"
    # It has a socket in its folder, and the path of a socket has to be short.
    short = tempfile.TemporaryDirectory(prefix="mpushd-",
                                        ignore_cleanup_errors=True)
    with open(log, "wb") as out:
        # A session of its own, so that all of its processes can be ended.
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", url],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env={**os.environ, "TMPDIR": short.name},
            start_new_session=True)
    try:
        yield lambda: log.read_text(errors="replace")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        short.cleanup()


@pytest.fixture
def console(daemon, tmp_path):
    """The example, logged in: (daemon, what the console says)."""
    d = daemon(TOKEN="mpush", ACK_TIMEOUT=60)
    code = CLIENT.replace("2245", str(d.ws_port))
    page = f"<!doctype html><title>mpush</title><script>{code}</script>"
    with page_server(page) as url, browser(url, tmp_path) as said:
        wait_until(lambda: "Login: test" in said(), BROWSER_DEADLINE,
                   "the browser's login")
        yield d, said


def test_the_original_browser_example_receives_and_confirms(console):
    d, said = console
    assert "Successful authentication" in said()
    assert push(d, "test", "mytitle", "mycontent") == (200, "ok")
    for line in ("title: mytitle", "content: mycontent"):
        wait_until(lambda: line in said(), DEADLINE, line)
    assert push(d, "test", "开播通知_高槻律_", "") == (200, "ok")
    wait_until(lambda: "title: 开播通知_高槻律_" in said(), DEADLINE,
               "the second title")
    assert said().count("title: mytitle") == 1
