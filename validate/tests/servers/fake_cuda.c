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
