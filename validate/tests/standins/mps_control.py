#!/usr/bin/env python3
"""A stand-in for NVIDIA's MPS: the control daemon (-f, -d), its tool (a command on stdin), and its server.

One file under two names: as `nvidia-cuda-mps-server` it is the server process. It answers as the daemon of driver 580
does where that is known; what is asked of it, and who its clients are, goes to STANDIN_MPS_LOG. Variables:

    STANDIN_MPS_SMS=132        SMs of the GPU
    STANDIN_MPS_STEP=2         SMs that are granted together
    STANDIN_MPS_VERSION=13000  what -v says; from 13010 on it has static partitions
    STANDIN_MPS_CHUNK=8        SMs of a chunk of static partitions
    STANDIN_MPS_OLD=1          knows no -f
    STANDIN_MPS_SERVER=fails   the server exits at once (clients: error 805); fault: it refuses clients (807);
                               stays: it outlives the daemon
    STANDIN_MPS_MUTE=1         starts, and answers nothing
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

PIPES = os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")
LOGS = os.environ.get("CUDA_MPS_LOG_DIRECTORY", "/var/log/nvidia-mps")
CONTROL = os.path.join(PIPES, "control")
SMS = int(os.environ.get("STANDIN_MPS_SMS", "132"))
STEP = int(os.environ.get("STANDIN_MPS_STEP", "2"))
VERSION = int(os.environ.get("STANDIN_MPS_VERSION", "13000"))
CHUNK = int(os.environ.get("STANDIN_MPS_CHUNK", "8"))
SERVER = os.environ.get("STANDIN_MPS_SERVER", "")
NO_DAEMON = "Cannot find MPS control daemon process"


def log(line):
    path = os.environ.get("STANDIN_MPS_LOG")
    if path:
        with open(path, "a") as file:
            file.write(line + "\n")


def log_of_mps(name, line):
    try:
        with open(os.path.join(LOGS, name), "a") as file:
            file.write(time.strftime("[%Y-%m-%d %H:%M:%S.000 Server     1] ") + line + "\n")
    except OSError:
        pass


class Daemon:
    def __init__(self, static):
        self.static = static
        self.lock = threading.RLock()
        self.clients = {}  # pid -> (socket, partition)
        self.server = None
        self.default = 100.0
        self.partitions = {}  # id -> chunks
        self.device = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        self.over = threading.Event()

    def start_server(self):
        """Its process, or None where it cannot be had."""
        if self.server and self.server.poll() is None:
            return self.server
        if SERVER == "fails":
            for _ in range(6):
                log_of_mps("server.log", "Server encountered a fatal exception. Shutting down")
            return None
        program = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "nvidia-cuda-mps-server")
        self.server = subprocess.Popen([program], stdin=subprocess.PIPE, start_new_session=True)
        # The real one bears its name at once; this one is Python's until it gives itself the name.
        while self.server.poll() is None:
            with open(f"/proc/{self.server.pid}/comm") as file:
                if file.read().startswith("nvidia-cuda-mps"):
                    break
            time.sleep(0.01)
        return self.server

    def granted(self, percentage):
        share = min(percentage, self.default)
        return max(int(SMS * share / 100 + 1e-9) // STEP * STEP, STEP)

    def client(self, stream, words):
        pid, percentage, partition = int(words[0]), words[1], words[2]
        with self.lock:
            server = self.start_server()
            if server is None:
                answer = "ERROR 805"
            elif SERVER == "fault":
                answer = "ERROR 807"
            elif self.static:
                chunks = self.partitions.get(partition)
                answer = "ERROR 915" if chunks is None else f"OK {self.sms_of(chunks)}"
            else:
                answer = f"OK {self.granted(float(percentage) if percentage != '-' else 100.0)}"
            log(f"client: share {percentage}, partition {partition}: {answer}")
            if answer.startswith("OK"):
                self.clients[pid] = (stream, partition)
        stream.sendall((answer + "\n").encode())
        if not answer.startswith("OK"):
            stream.close()
            return
        try:
            while stream.recv(64):
                pass
        except OSError:
            pass
        with self.lock:
            self.clients.pop(pid, None)

    def sms_of(self, chunks):
        return chunks * CHUNK

    def chunks(self):
        # One chunk's worth of SMs is kept back, as on an H100: 15 of 132 SMs.
        return SMS // CHUNK - (1 if SMS % CHUNK else 0)

    def free_chunks(self):
        return self.chunks() - sum(self.partitions.values())

    def command(self, text):
        words = text.split()
        log("told: " + text.strip())
        if not words:
            return ""
        name, rest = words[0], words[1:]
        running = self.server and self.server.poll() is None
        if name == "get_server_list":
            return str(self.server.pid) if running else ""
        if name == "get_server_status":
            return ("FAULT" if SERVER == "fault" else "ACTIVE") if running else ""
        if name == "get_client_list":
            return "\n".join(map(str, self.clients)) if running and rest == [str(self.server.pid)] else ""
        if name == "ps":
            rows = [f"{pid} 1 {self.server.pid} {self.device[:12]} 4026531836 client" for pid in self.clients]
            return "\n".join(["PID ID SERVER DEVICE NAMESPACE COMMAND"] + rows)
        if name == "terminate_client":
            stream, _ = self.clients.pop(int(rest[1]), (None, None))
            if stream:
                stream.shutdown(socket.SHUT_RDWR)
            return "0" if stream else "1"
        if name == "set_default_active_thread_percentage":
            self.default = float(rest[0])
            return str(self.default)
        if name == "get_default_active_thread_percentage":
            return str(self.default)
        if name in ("lspart", "sm_partition") and self.static:
            return self.partition(name, rest)
        return f"Invalid command: {name}"

    def partition(self, name, rest):
        if name == "lspart":
            used = sum(self.partitions.values())
            taken = {partition for _, partition in self.clients.values()}
            head = [
                "GPU           Partition        free    used    free  used  Clients",
                "                               chunks  chunks  SMs   SMs",
            ]
            short = self.device[:12]
            free_sms = SMS - used * CHUNK
            rows = [f"{short}  -  {self.free_chunks()}  {used}  {free_sms}  {used * CHUNK}  -"]
            for identifier, chunks in self.partitions.items():
                clients = "Yes" if identifier in taken else "-"
                rows.append(f"{short}  {identifier}  -  {chunks}  -  {chunks * CHUNK}  {clients}")
            return "\n".join(head + rows)
        if rest[0] == "add":
            chunks = int(rest[2])
            if self.clients:
                return "Failed to create a partition while clients are active"
            if chunks > self.free_chunks():
                return (
                    f"Failed to fulfill the requested SM partition of {chunks} chunks\n"
                    "CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION"
                )
            identifier = f"{self.device}/{len(self.partitions) + 1}/0"
            self.partitions[identifier] = chunks
            return f"Partition {identifier} created"
        return "in use"

    def serve(self, stream):
        reader = stream.makefile("r")
        kind, _, text = reader.readline().partition(" ")
        if kind == "CLIENT":
            self.client(stream, text.split())
            return
        if os.environ.get("STANDIN_MPS_MUTE"):
            time.sleep(600)
        if text.split()[:1] == ["quit"]:
            log("told: " + text.strip())
            # It waits for its clients, for ever unless it is told how long.
            words = text.split()
            limit = time.time() + (float(words[2]) if len(words) > 2 else 1e9)
            while self.clients and time.time() < limit:
                time.sleep(0.02)
            stream.sendall(b"\n")
            stream.close()
            self.over.set()
            return
        with self.lock:
            answer = self.command(text)
        stream.sendall((answer + "\n").encode())
        stream.close()

    def run(self):
        signal.signal(signal.SIGTERM, lambda *_: self.over.set())
        if self.static and VERSION < 13010:
            print("Usage: nvidia-cuda-mps-control [-d] [-f] [-v]: invalid option -- 'S'", file=sys.stderr)
            return 1
        if os.path.exists(CONTROL):
            os.unlink(CONTROL)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(CONTROL)
        except OSError:
            # As the real one: no word about why. The path may be too long.
            return 1
        listener.listen(64)
        with open(os.path.join(PIPES, "nvidia-cuda-mps-control.pid"), "w") as file:
            file.write(str(os.getpid()))
        share = os.environ.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "")
        log(f"started for {self.device}, share '{share}'{', static' if self.static else ''}")
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        self.over.wait()
        listener.close()
        os.unlink(CONTROL)
        if self.server and self.server.poll() is None:
            self.server.stdin.close()
            if SERVER != "stays":
                self.server.wait()
        log("ended")
        os._exit(0)

    def accept(self, listener):
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=self.serve, args=(stream,), daemon=True).start()


def tool(text):
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.connect(CONTROL)
    except OSError:
        print(NO_DAEMON)
        return 1
    # A PID has to name the daemon too.
    stream.sendall(("COMMAND " + text.strip() + "\n").encode())
    print(stream.makefile("r").read().strip(), end="")
    return 0


def main():
    flags = sys.argv[1:]
    if os.path.basename(sys.argv[0]) == "nvidia-cuda-mps-server":
        with open("/proc/self/comm", "w") as file:
            file.write("nvidia-cuda-mps-server")
        log("server starts")
        sys.stdin.read()
        while SERVER == "stays":
            time.sleep(1)
        log("server ends")
        return 0
    if "-v" in flags:
        print(VERSION)
        return 0
    if "-f" in flags and os.environ.get("STANDIN_MPS_OLD"):
        print("Usage: nvidia-cuda-mps-control [-d]", file=sys.stderr)
        return 1
    if "-f" in flags:
        return Daemon("-S" in flags).run()
    if "-d" in flags:
        if os.fork() == 0:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            os._exit(Daemon("-S" in flags).run() or 0)
        time.sleep(0.1)
        return 0
    return tool(sys.stdin.readline())


sys.exit(main())
