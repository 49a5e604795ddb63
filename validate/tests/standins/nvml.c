/* A stand-in for NVIDIA's management library. It answers what a real one would, from the file that STANDIN_NVML names:

     driver 580.82.07          the driver's version
     cuda 13000                what CUDA it can run
     init 9                    nvmlInit fails with this code
     gpu                       a GPU follows, with these lines (all but uuid may be left out: then "not supported"):
       uuid GPU-...  name NVIDIA H200  capability 9 0  cores 16896  memory 150754820096
       clock 345  maxclock 1980  power 75500  limit 700000  defaultlimit 700000  energy 81234567
       busy 0  temperature 31  throttle 1  mode 0  mig 1
       handle 4                taking its handle fails with this code (4 forbidden, 15 lost)
       lost_after 10           after so many calls every call of it fails with 15
       slice MIG-... 16 10737418240     a MIG slice: UUID, SMs, memory

   Functions that are not here are missing, as in a library of another age. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, LOST = 15, UNKNOWN = 999 };
enum { GPUS = 8, SLICES = 8, LINE = 256 };
typedef unsigned long long u64;

typedef struct gpu {
    char uuid[96], name[96];
    int major, minor, handle, mig, is_slice, sms;
    long cores, clock, maxclock, power, limit, defaultlimit, busy, temperature, throttle, mode, lost_after, calls;
    u64 memory, energy;
    int has_memory, has_energy;
    int slices;
    struct gpu *slice[SLICES];
} gpu;

static gpu gpus[GPUS];
static int count, started, init_code;
static char driver[80] = "580.82.07";
static int cuda = 13000;

static void clear(gpu *g) {
    memset(g, 0, sizeof *g);
    g->major = g->minor = g->mig = -1;
    g->cores = g->clock = g->maxclock = g->power = g->limit = g->defaultlimit = -1;
    g->busy = g->temperature = g->throttle = g->mode = g->lost_after = -1;
}

static void load(void) {
    const char *path = getenv("STANDIN_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[LINE], key[64], rest[LINE];
    gpu *g = NULL;
    count = 0;
    init_code = OK;
    if (!file) { init_code = 9; return; }
    while (fgets(line, sizeof line, file)) {
        rest[0] = 0;
        if (sscanf(line, " %63s %255[^\n]", key, rest) < 1) continue;
        if (!strcmp(key, "driver")) snprintf(driver, sizeof driver, "%s", rest);
        else if (!strcmp(key, "cuda")) cuda = atoi(rest);
        else if (!strcmp(key, "init")) init_code = atoi(rest);
        else if (!strcmp(key, "gpu") && count < GPUS) { g = &gpus[count++]; clear(g); }
        else if (!g) continue;
        else if (!strcmp(key, "uuid")) snprintf(g->uuid, sizeof g->uuid, "%s", rest);
        else if (!strcmp(key, "name")) snprintf(g->name, sizeof g->name, "%s", rest);
        else if (!strcmp(key, "capability")) sscanf(rest, "%d %d", &g->major, &g->minor);
        else if (!strcmp(key, "cores")) g->cores = atol(rest);
        else if (!strcmp(key, "memory")) { g->memory = strtoull(rest, NULL, 10); g->has_memory = 1; }
        else if (!strcmp(key, "energy")) { g->energy = strtoull(rest, NULL, 10); g->has_energy = 1; }
        else if (!strcmp(key, "clock")) g->clock = atol(rest);
        else if (!strcmp(key, "maxclock")) g->maxclock = atol(rest);
        else if (!strcmp(key, "power")) g->power = atol(rest);
        else if (!strcmp(key, "limit")) g->limit = atol(rest);
        else if (!strcmp(key, "defaultlimit")) g->defaultlimit = atol(rest);
        else if (!strcmp(key, "busy")) g->busy = atol(rest);
        else if (!strcmp(key, "temperature")) g->temperature = atol(rest);
        else if (!strcmp(key, "throttle")) g->throttle = atol(rest);
        else if (!strcmp(key, "mode")) g->mode = atol(rest);
        else if (!strcmp(key, "mig")) g->mig = atoi(rest);
        else if (!strcmp(key, "handle")) g->handle = atoi(rest);
        else if (!strcmp(key, "lost_after")) g->lost_after = atol(rest);
        else if (!strcmp(key, "slice") && g->slices < SLICES) {
            gpu *slice = malloc(sizeof *slice);
            clear(slice);
            slice->is_slice = 1;
            slice->has_memory = sscanf(rest, "%95s %d %llu", slice->uuid, &slice->sms, &slice->memory) == 3;
            g->slice[g->slices++] = slice;
        }
    }
    fclose(file);
}

int nvmlInit_v2(void) {
    if (!started) load();
    if (init_code) return init_code;
    started++;
    return OK;
}
int nvmlInitWithFlags(unsigned flags) { return nvmlInit_v2(); }
int nvmlShutdown(void) { if (!started) return UNINITIALIZED; started--; return OK; }

const char *nvmlErrorString(int code) {
    switch (code) {
    case NOT_SUPPORTED: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found";
    case 9: return "Driver Not Loaded";
    case LOST: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

static int text(char *to, unsigned length, const char *from) {
    if (length <= strlen(from)) return 7;
    strcpy(to, from);
    return OK;
}

int nvmlSystemGetDriverVersion(char *to, unsigned length) { return started ? text(to, length, driver) : UNINITIALIZED; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = cuda; return started ? OK : UNINITIALIZED; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { return nvmlSystemGetCudaDriverVersion(version); }
int nvmlDeviceGetCount_v2(unsigned *to) { *to = count; return started ? OK : UNINITIALIZED; }

/* A call of a GPU: it may be the one at which it is lost. */
static int touched(gpu *g) {
    if (!started) return UNINITIALIZED;
    if (!g) return INVALID;
    g->calls++;
    return g->lost_after >= 0 && g->calls > g->lost_after ? LOST : OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, gpu **to) {
    if (!started) return UNINITIALIZED;
    if (index >= (unsigned)count) return INVALID;
    if (gpus[index].handle) return gpus[index].handle;
    *to = &gpus[index];
    return touched(*to);
}
int nvmlDeviceGetHandleByUUID(const char *uuid, gpu **to) {
    for (int i = 0; i < count; i++)
        if (!strcmp(gpus[i].uuid, uuid)) return nvmlDeviceGetHandleByIndex_v2(i, to);
    return NOT_FOUND;
}

static int number(gpu *g, long value, unsigned *to) {
    int code = touched(g);
    if (code) return code;
    if (value < 0 || g->is_slice) return NOT_SUPPORTED;
    *to = (unsigned)value;
    return OK;
}

int nvmlDeviceGetUUID(gpu *g, char *to, unsigned length) { int c = touched(g); return c ? c : text(to, length, g->uuid); }
int nvmlDeviceGetName(gpu *g, char *to, unsigned length) {
    int code = touched(g);
    return code ? code : g->name[0] ? text(to, length, g->name) : NOT_SUPPORTED;
}
int nvmlDeviceGetCudaComputeCapability(gpu *g, int *major, int *minor) {
    int code = touched(g);
    if (code) return code;
    if (g->major < 0) return NOT_SUPPORTED;
    *major = g->major;
    *minor = g->minor;
    return OK;
}
int nvmlDeviceGetNumGpuCores(gpu *g, unsigned *to) { return number(g, g->cores, to); }
int nvmlDeviceGetMaxClockInfo(gpu *g, int type, unsigned *to) { return number(g, g->maxclock, to); }
int nvmlDeviceGetClockInfo(gpu *g, int type, unsigned *to) { return number(g, g->clock, to); }
int nvmlDeviceGetEnforcedPowerLimit(gpu *g, unsigned *to) { return number(g, g->limit, to); }
int nvmlDeviceGetPowerManagementDefaultLimit(gpu *g, unsigned *to) { return number(g, g->defaultlimit, to); }
int nvmlDeviceGetPowerUsage(gpu *g, unsigned *to) { return number(g, g->power, to); }
int nvmlDeviceGetTemperature(gpu *g, int sensor, unsigned *to) { return number(g, g->temperature, to); }
int nvmlDeviceGetMaxPcieLinkGeneration(gpu *g, unsigned *to) { return number(g, 5, to); }
int nvmlDeviceGetMaxPcieLinkWidth(gpu *g, unsigned *to) { return number(g, 16, to); }
int nvmlDeviceGetComputeMode(gpu *g, int *to) { return number(g, g->mode, (unsigned *)to); }
int nvmlDeviceGetUtilizationRates(gpu *g, unsigned *to) {
    int code = number(g, g->mig == 1 ? -1 : g->busy, to);
    if (!code) to[1] = 0;
    return code;
}
int nvmlDeviceGetTotalEnergyConsumption(gpu *g, u64 *to) {
    int code = touched(g);
    if (code) return code;
    if (!g->has_energy) return NOT_SUPPORTED;
    *to = g->energy += 100;
    return OK;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(gpu *g, u64 *to) {
    int code = touched(g);
    if (code) return code;
    if (g->throttle < 0) return NOT_SUPPORTED;
    *to = g->throttle;
    return OK;
}

struct memory { u64 total, free, used; };
struct memory_v2 { unsigned version; u64 total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo(gpu *g, struct memory *to) {
    int code = touched(g);
    if (code) return code;
    if (!g->has_memory) return NOT_SUPPORTED;
    to->total = to->free = g->memory;
    to->used = 0;
    return OK;
}
int nvmlDeviceGetMemoryInfo_v2(gpu *g, struct memory_v2 *to) {
    int code = touched(g);
    if (code) return code;
    if (!g->has_memory) return NOT_SUPPORTED;
    if (to->version != 0x02000028) return 13;
    to->total = to->free = g->memory;
    to->reserved = to->used = 0;
    return OK;
}

int nvmlDeviceGetMigMode(gpu *g, unsigned *current, unsigned *pending) {
    int code = number(g, g->mig, current);
    if (!code) *pending = *current;
    return code;
}
int nvmlDeviceGetMaxMigDeviceCount(gpu *g, unsigned *to) { return number(g, g->mig < 0 ? 0 : 7, to); }
int nvmlDeviceGetMigDeviceHandleByIndex(gpu *g, unsigned index, gpu **to) {
    int code = touched(g);
    if (code) return code;
    /* Slices have gaps between their numbers. */
    if (index % 2 || index / 2 >= (unsigned)g->slices) return NOT_FOUND;
    *to = g->slice[index / 2];
    return OK;
}
struct attributes { unsigned multiprocessors, rest[7]; u64 memory; };
int nvmlDeviceGetAttributes_v2(gpu *g, struct attributes *to) {
    int code = touched(g);
    if (code) return code;
    if (!g->is_slice) return NOT_SUPPORTED;
    memset(to, 0, sizeof *to);
    to->multiprocessors = g->sms;
    to->memory = g->memory >> 20;
    return OK;
}
