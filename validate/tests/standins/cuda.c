/* A stand-in for the CUDA driver with one GPU, of STANDIN_MPS_SMS SMs (132). Where the socket of an MPS daemon is in the
   folder of pipes, a process is a client of it for as long as it lives and has the SMs that the daemon grants it, or the
   error that it gives; where there is none, it has the whole GPU and no error, as CUDA does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int all(void) {
    const char *sms = getenv("STANDIN_MPS_SMS");
    return sms ? atoi(sms) : 132;
}

static int granted = -1, refused = 0;

static void attach(void) {
    const char *pipes = getenv("CUDA_MPS_PIPE_DIRECTORY");
    const char *share = getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
    const char *partition = getenv("CUDA_MPS_SM_PARTITION");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char line[512];
    granted = all();
    if (!pipes || getenv("STANDIN_MPS_IGNORED")) return;
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s/control", pipes) >= (int)sizeof address.sun_path) return;
    int daemon = socket(AF_UNIX, SOCK_STREAM, 0);
    if (daemon < 0 || connect(daemon, (struct sockaddr *)&address, sizeof address) != 0) return;
    int length = snprintf(line, sizeof line, "CLIENT %d %s %s\n", (int)getpid(), share ? share : "-",
                          partition ? partition : "-");
    if (write(daemon, line, length) != length) return;
    length = read(daemon, line, sizeof line - 1);
    line[length > 0 ? length : 0] = 0;
    if (sscanf(line, "OK %d", &granted) == 1) return; /* the connection stays open */
    if (sscanf(line, "ERROR %d", &refused) != 1) refused = 806;
    close(daemon);
}

static int sms(void) {
    if (granted < 0) attach();
    return granted;
}

int cuInit(unsigned flags) { sms(); return refused; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "stand-in", length); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = sms(); return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuCtxGetExecAffinity(void *affinity, int type) { return 801; }

int cuModuleLoadData(void **module, const char *ptx) { return strstr(ptx, "entry work") ? 0 : 218; }
int cuModuleGetFunction(void **function, void *module, const char *name) { return strcmp(name, "work"); }
int cuMemAlloc_v2(unsigned long *memory, size_t size) { *memory = (unsigned long)calloc(1, size); return 0; }
int cuMemAllocHost_v2(void **memory, size_t size) { *memory = calloc(1, size); return 0; }
int cuCtxSynchronize(void) { return 0; }

int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **arguments, void **extra) {
    unsigned *out = *(unsigned **)arguments[1];
    for (unsigned block = 0; block < x; block++) out[block] = block % sms();
    usleep(1000);
    return 0;
}

/* 1 ms and 1 GB/s */
static int copy(size_t size) { usleep(1000 + size / 1000); return 0; }
int cuMemcpyHtoD_v2(unsigned long device, const void *host, size_t size) {
    memcpy((void *)device, host, size);
    return copy(size);
}
int cuMemcpyDtoH_v2(void *host, unsigned long device, size_t size) {
    memcpy(host, (void *)device, size);
    return copy(size);
}
