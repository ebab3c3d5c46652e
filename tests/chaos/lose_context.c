/* A fault for `make chaos`: on SIGUSR2 a process loses its CUDA context, as it does by an illegal access of a kernel.
 *
 * The driver loads this library into every process that uses CUDA, because CUDA_INJECTION64_PATH names it, and calls
 * InitializeInjection from cuInit. A kernel that traps is such an error: every later call in the context fails, and nothing
 * but a new process gets another context.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>

static const char TRAP[] = ".version 6.4\n.target sm_50\n.address_size 64\n.visible .entry lose_context() { trap; }\n";

static sem_t asked;

static void ask(int number) {
    (void)number;
    sem_post(&asked); /* the only thing here that a signal handler may do */
}

static int lose(void) {
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) return -1;
    int (*retain)(void **, int) = dlsym(driver, "cuDevicePrimaryCtxRetain");
    int (*set_current)(void *) = dlsym(driver, "cuCtxSetCurrent");
    int (*load)(void **, const void *) = dlsym(driver, "cuModuleLoadData");
    int (*function)(void **, void *, const char *) = dlsym(driver, "cuModuleGetFunction");
    int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **) =
        dlsym(driver, "cuLaunchKernel");
    int (*synchronize)(void) = dlsym(driver, "cuCtxSynchronize");
    void *context, *module, *kernel;
    int error;
    if ((error = retain(&context, 0)) || (error = set_current(context)) || (error = load(&module, TRAP)) ||
        (error = function(&kernel, module, "lose_context")) ||
        (error = launch(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL)))
        return error;
    return synchronize();
}

static void *wait_for_it(void *nothing) {
    while (sem_wait(&asked)) continue;
    fprintf(stderr, "chaos: the CUDA context is lost by a kernel that trapped: CUDA error %d\n", lose());
    return nothing;
}

int InitializeInjection(void) {
    pthread_t thread;
    sem_init(&asked, 0, 0);
    signal(SIGUSR2, ask);
    return pthread_create(&thread, NULL, wait_for_it, NULL) == 0;
}
