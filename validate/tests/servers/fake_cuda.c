/* A CUDA driver with one GPU of 132 SMs that does what MPS does: a client with a percentage sees fewer SMs,
   rounded down to pairs, if the pipe of a daemon is where the client looks for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sms(void) {
    const char *share = getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
    const char *pipes = getenv("CUDA_MPS_PIPE_DIRECTORY");
    char control[4096];
    snprintf(control, sizeof control, "%s/control", pipes ? pipes : "");
    if (!share || !pipes || access(control, F_OK) != 0 || getenv("FAKE_MPS_IGNORED")) return 132;
    int seen = (int)(atof(share) / 100 * 132 + 1e-9) / 2 * 2;
    return seen < 2 ? 2 : seen;
}

int cuInit(unsigned flags) { return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "fake", length); return 0; }
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
