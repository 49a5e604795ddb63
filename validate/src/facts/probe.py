"""What CUDA says and does, straight from the driver: no PyTorch, no NumPy. One JSON document on stdout.

    python3 probe.py sms                    SMs that this process sees
    python3 probe.py touched                SMs that its blocks really run on
    python3 probe.py work START_S SECONDS   rounds of a fixed piece of work on one SM, done from START_S (as
                                            time.time() counts) for SECONDS
    python3 probe.py transfers              milliseconds of copies to and from the device, by size
"""

import ctypes
import json
import sys
import time

cuda = ctypes.CDLL("libcuda.so.1")
u32, u64, pointer = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p

# Each block notes the SM that it runs on, then counts down. The clock is read in each round so that the
# compiler cannot leave the loop out.
KERNEL = b"""
.version 6.0
.target sm_60
.address_size 64
.visible .entry work(.param .u64 rounds, .param .u64 out)
{
    .reg .u64 %rd<6>;
    .reg .u32 %r<5>;
    .reg .pred %p<2>;
    ld.param.u64 %rd1, [rounds];
    ld.param.u64 %rd2, [out];
    cvta.to.global.u64 %rd2, %rd2;
    mov.u32 %r1, %ctaid.x;
    mul.wide.u32 %rd3, %r1, 4;
    add.u64 %rd2, %rd2, %rd3;
    mov.u32 %r2, %smid;
    mov.u32 %r4, 0;
ROUND:
    mov.u32 %r3, %clock;
    xor.b32 %r4, %r4, %r3;
    sub.u64 %rd1, %rd1, 1;
    setp.ne.u64 %p1, %rd1, 0;
    @%p1 bra ROUND;
    and.b32 %r4, %r4, 0;
    or.b32 %r2, %r2, %r4;
    st.global.u32 [%rd2], %r2;
    ret;
}
"""


def checked(what, code):
    if code != 0:
        raise SystemExit(f"{what}: CUDA error {code}")


def start():
    device, context = ctypes.c_int(), pointer()
    checked("cuInit", cuda.cuInit(0))
    checked("cuDeviceGet", cuda.cuDeviceGet(ctypes.byref(device), 0))
    retained = cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
    checked("cuDevicePrimaryCtxRetain", retained)
    checked("cuCtxSetCurrent", cuda.cuCtxSetCurrent(context))
    return device


def allocate(size):
    memory = u64()
    checked("cuMemAlloc", cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(size)))
    return memory


def sms(device):
    count = ctypes.c_int()
    # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
    checked("cuDeviceGetAttribute", cuda.cuDeviceGetAttribute(ctypes.byref(count), 16, device))
    affinity = (ctypes.c_uint * 2)()
    found = {"attribute": count.value, "affinity": None}
    # CU_EXEC_AFFINITY_TYPE_SM_COUNT; only an MPS client has an answer.
    if cuda.cuCtxGetExecAffinity(ctypes.byref(affinity), 0) == 0:
        found["affinity"] = affinity[1]
    return found


class Work:
    def __init__(self, blocks):
        module, self.function = pointer(), pointer()
        checked("cuModuleLoadData", cuda.cuModuleLoadData(ctypes.byref(module), KERNEL))
        got = cuda.cuModuleGetFunction(ctypes.byref(self.function), module, b"work")
        checked("cuModuleGetFunction", got)
        self.blocks = blocks
        self.out = allocate(4 * blocks)

    def run(self, rounds):
        values = [u64(rounds), self.out]
        arguments = (pointer * 2)(*[ctypes.cast(ctypes.byref(v), pointer) for v in values])
        launched = cuda.cuLaunchKernel(
            self.function, self.blocks, 1, 1, 1, 1, 1, 0, pointer(), arguments, pointer()
        )
        checked("cuLaunchKernel", launched)
        checked("cuCtxSynchronize", cuda.cuCtxSynchronize())

    def touched(self):
        host = (u32 * self.blocks)()
        size = ctypes.c_size_t(4 * self.blocks)
        checked("cuMemcpyDtoH", cuda.cuMemcpyDtoH_v2(ctypes.byref(host), self.out, size))
        return sorted(set(host))


def touched(device):
    work = Work(4096)
    work.run(20_000)
    return {"touched": len(work.touched()), **sms(device)}


def steady_work(begin, seconds):
    work = Work(1)
    work.run(1000)
    while time.time() < begin:
        pass
    rounds, first = 0, time.perf_counter()
    while time.perf_counter() < first + seconds:
        work.run(200_000)
        rounds += 1
    return {"rounds_per_s": rounds / (time.perf_counter() - first)}


def median_ms(action, repeats):
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        times.append((time.perf_counter() - begin) * 1e3)
    return sorted(times)[repeats // 2]


def transfers():
    largest = 40_000_000
    device = allocate(largest)
    pinned = pointer()
    taken = cuda.cuMemAllocHost_v2(ctypes.byref(pinned), ctypes.c_size_t(largest))
    checked("cuMemAllocHost", taken)
    pageable = ctypes.create_string_buffer(largest)
    hosts = {"pinned": pinned, "pageable": ctypes.cast(pageable, pointer)}
    rows = []
    for kind, host in hosts.items():
        for size in [100_000, 300_000, 602_112, 1_080_000, 3_000_000, 10_000_000, 20_000_000, largest]:
            bytes_ = ctypes.c_size_t(size)

            def to_device():
                checked("cuMemcpyHtoD", cuda.cuMemcpyHtoD_v2(device, host, bytes_))
                checked("cuCtxSynchronize", cuda.cuCtxSynchronize())

            def to_host():
                checked("cuMemcpyDtoH", cuda.cuMemcpyDtoH_v2(host, device, bytes_))

            for direction, action in [("to_device", to_device), ("to_host", to_host)]:
                for _ in range(3):
                    action()
                ms = median_ms(action, 15)
                rows.append({"direction": direction, "memory": kind, "bytes": size, "ms": ms})
    return {"transfers": rows}


def main():
    what = sys.argv[1]
    device = start()
    if what == "sms":
        answer = sms(device)
    elif what == "touched":
        answer = touched(device)
    elif what == "work":
        answer = steady_work(float(sys.argv[2]), float(sys.argv[3]))
    else:
        answer = transfers()
    json.dump(answer, sys.stdout)


main()
