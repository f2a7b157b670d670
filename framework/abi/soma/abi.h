/* The line between binaries: everything that crosses into a Soma plugin, in C99.
 *
 * A plugin is a shared library libsoma_NAME.so that
 *   - holds a section named SOMA_ABI_SECTION (the ABI tag) and one named after the instruction set it needs;
 *     the host reads both from the file before it runs any code of it, and section names survive strip;
 *   - exports one symbol, SOMA_PLUGIN_ENTRY, of type soma_plugin_entry_fn.
 *
 * Rules. Every table begins with struct_size (bytes of the table as its writer knew it), major and minor;
 * tables only ever grow at the end within one major version, so a reader must not look past struct_size.
 * A NULL function is a capability that the plugin lacks. The small structs without struct_size
 * (soma_tensor, soma_attribute, soma_option, soma_parameter, soma_text) are fixed for the life of major version 1.
 * No exception and no C++ type crosses. Libraries are never unloaded. Strings are UTF-8, NUL-terminated, and
 * owned by whoever made them; what a plugin returns lives as long as the object it describes.
 */
#ifndef SOMA_ABI_H_
#define SOMA_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOMA_ABI_MAJOR 1
#define SOMA_ABI_MINOR 0
#define SOMA_ABI_SECTION "soma_abi_1_0"
#define SOMA_ABI_SECTION_PREFIX "soma_abi_"
/* Instruction set a plugin needs before it may be entered; it may dispatch to more by itself. */
#define SOMA_ISA_SECTION_PREFIX "soma_isa_"
#define SOMA_ISA_SECTION_X86_64 "soma_isa_x86_64"       /* baseline */
#define SOMA_ISA_SECTION_X86_64_V3 "soma_isa_x86_64_v3" /* AVX2, FMA, BMI2, ... */
#define SOMA_ISA_SECTION_X86_64_V4 "soma_isa_x86_64_v4" /* AVX-512 F, BW, CD, DQ, VL */
#define SOMA_PLUGIN_ENTRY "soma_plugin_entry_v1"
#define SOMA_MAX_RANK 8

/* What a call came to. Anything but SOMA_OK comes with a sentence in `why`. */
typedef int32_t soma_status;
enum {
  SOMA_OK = 0,
  SOMA_UNSUPPORTED = 1, /* this backend cannot; another may */
  SOMA_INVALID = 2,     /* the arguments contradict the op's contract */
  SOMA_FAILED = 3,      /* anything else */
  SOMA_NO_MEMORY = 4
};

enum { SOMA_F32 = 1, SOMA_F64 = 2, SOMA_I32 = 3 };      /* dtype */
enum { SOMA_TRAIN = 1, SOMA_INFER = 2 };                /* purpose */
enum { SOMA_EXACT = 1, SOMA_BOUNDED = 2 };              /* exactness, see numerics.md */
/* numerics. Every backend opens with the first two; with another only if its table says so. */
enum { SOMA_NUMERICS_FAST = 1, SOMA_NUMERICS_EXACT = 2, SOMA_NUMERICS_BF16 = 3 };
enum { SOMA_INTEGER = 1, SOMA_REAL = 2, SOMA_STRING = 3 }; /* attribute kind */

/* A buffer of the caller for one sentence; the callee writes at most capacity - 1 bytes and a NUL. May be NULL. */
typedef struct soma_text {
  char* data;
  size_t capacity;
} soma_text;

/* Element type and shape of a dense, row-major tensor. rank 0 is a scalar of one element. */
typedef struct soma_tensor {
  int32_t dtype;
  int32_t rank;
  int64_t dims[SOMA_MAX_RANK];
} soma_tensor;

/* One named attribute of an op. Absent attributes have the default stated by the op. */
typedef struct soma_attribute {
  const char* name;
  int32_t kind;
  int32_t reserved;
  int64_t integer;
  double real;
  const char* text;
} soma_attribute;

/* A field of a layer or an option of a loss or an optimizer, with its default. Whoever names the plugin may set it; the
 * plugin gets them all, checked, as attributes in the order of its list. */
typedef struct soma_option {
  const char* name;
  int32_t kind;         /* SOMA_INTEGER, SOMA_REAL or SOMA_STRING */
  int32_t required;     /* 1: has no default */
  int64_t integer;      /* the default, in the member of its kind */
  double real;
  const char* text;
  double least, most;   /* of a number, both allowed; any if least == most */
} soma_option;

/* A tensor that training changes. init: a text of the model format ("he_normal", "normal(0.02)", "zeros"); fan_in and
 * fan_out are what it scales by, 0 if it does not. */
typedef struct soma_parameter {
  const char* name;
  const char* init;
  soma_tensor tensor;
  int64_t fan_in, fan_out;
} soma_parameter;

/* An op as data: the id says the family, its version and the direction ("conv2d/1.bwd_data"). */
typedef struct soma_op {
  uint32_t struct_size;
  uint16_t major, minor;
  const char* id;
  const soma_tensor* inputs;
  const soma_tensor* outputs;
  const soma_attribute* attributes;
  int32_t input_count;
  int32_t output_count;
  int32_t attribute_count;
  int32_t purpose;
} soma_op;

typedef struct soma_context soma_context; /* one opened backend with its options */
typedef struct soma_kernel soma_kernel;   /* one prepared op; immutable, executable from several threads at once */

typedef struct soma_kernel_info {
  uint32_t struct_size;
  uint16_t major, minor;
  int32_t exactness;      /* SOMA_EXACT or SOMA_BOUNDED: a claim that the conformance suite verifies */
  uint32_t packed_inputs; /* bit i: the pack depends on input i, and on no other */
  size_t workspace_bytes; /* scratch for one execution; contents undefined before and after */
  size_t pack_bytes;      /* 0: no pack */
  const char* implementation; /* for people, e.g. "brgconv:avx512_core"; lives as long as the kernel */
} soma_kernel_info;

/* The buffers of one execution, in the order of the op. The host owns them all. Inputs and outputs are
 * aligned to 4 bytes at least (8 for f64), workspace and pack to 64. An output may be the same buffer as an
 * input only where the op says so. Inputs are never written. Outputs are overwritten unless the op has
 * the attribute accumulate = 1. A tensor without elements may come as NULL. */
typedef struct soma_exec {
  uint32_t struct_size;
  uint16_t major, minor;
  int32_t threads; /* >= 1: at most, and where the work is large enough exactly, this many run */
  int32_t reserved;
  const void* const* inputs;
  void* const* outputs;
  void* workspace;
  const void* pack;
} soma_exec;

typedef struct soma_backend_options {
  uint32_t struct_size;
  uint16_t major, minor;
  int32_t numerics; /* SOMA_NUMERICS_... */
  int32_t reserved;
} soma_backend_options;

/* Called with consecutive, disjoint ranges that cover [0, n); must not throw. */
typedef void (*soma_range_fn)(void* argument, int64_t begin, int64_t end);

/* A compute backend. supports and prepare may be called from several threads; execute and pack too, with
 * distinct buffers. After each call the floating-point environment is as before. */
typedef struct soma_backend {
  uint32_t struct_size;
  uint16_t major, minor;
  const char* name;    /* what --backend says */
  const char* summary; /* one line for people */
  const char* runtime; /* what runs its loops: "serial", "openmp", "tbb", ... */
  const char* const* op_ids; /* every id it may support */
  int32_t op_count;
  int32_t reserved;
  soma_status (*open)(const soma_backend_options* options, soma_context** context, soma_text* why);
  void (*close)(soma_context* context);
  soma_status (*supports)(soma_context* context, const soma_op* op, soma_text* why);
  soma_status (*prepare)(soma_context* context, const soma_op* op, soma_kernel** kernel,
                         soma_kernel_info* info, soma_text* why);
  /* Fills `pack` (pack_bytes) from the inputs named by packed_inputs; other entries of exec may be NULL. */
  soma_status (*pack)(const soma_kernel* kernel, const soma_exec* exec, void* pack, soma_text* why);
  soma_status (*execute)(const soma_kernel* kernel, const soma_exec* exec, soma_text* why);
  void (*release)(soma_kernel* kernel);
  /* Runs fn over [0, n) on up to `threads` threads, in pieces of at least `grain` (the last may be shorter). */
  soma_status (*parallel_for)(soma_context* context, int32_t threads, int64_t n, int64_t grain,
                              soma_range_fn fn, void* argument);
  /* Bit 1 << SOMA_NUMERICS_...: what it can be opened with besides fast and exact, though perhaps not on this CPU, which
   * open says then. Where the bit is missing the host refuses and does not call open. */
  uint32_t more_numerics;
  uint32_t reserved_too;
} soma_backend;

/* A pointwise activation y = f(x), or y = f(x, p) with learnable numbers p[0..parameter_count), one set for each place
 * where the activation is used. All functions work element by element on n elements, so any split of the range gives the
 * same bits. grad_x = df/dx * grad_y; the term of number k is df/dp[k] * grad_y, and the host adds the terms up in the
 * canonical order. Buffers do not overlap, except that y may be x. With parameter_count = 0 the first four functions are
 * there, else the other six; the float64 ones, which certification needs, may be NULL. */
typedef struct soma_activation {
  uint32_t struct_size;
  uint16_t major, minor;
  const char* name;
  const char* summary;
  void (*forward_f32)(const float* x, float* y, int64_t n);
  void (*backward_f32)(const float* x, const float* grad_y, float* grad_x, int64_t n);
  void (*forward_f64)(const double* x, double* y, int64_t n);
  void (*backward_f64)(const double* x, const double* grad_y, double* grad_x, int64_t n);
  const soma_option* parameters; /* of kind SOMA_REAL: names, and the values they start from */
  int32_t parameter_count;
  int32_t reserved;
  void (*forward_with_f32)(const float* p, const float* x, float* y, int64_t n);
  void (*backward_with_f32)(const float* p, const float* x, const float* grad_y, float* grad_x, int64_t n);
  void (*terms_f32)(const float* p, int32_t k, const float* x, const float* grad_y, float* terms, int64_t n);
  void (*forward_with_f64)(const double* p, const double* x, double* y, int64_t n);
  void (*backward_with_f64)(const double* p, const double* x, const double* grad_y, double* grad_x, int64_t n);
  void (*terms_f64)(const double* p, int32_t k, const double* x, const double* grad_y, double* terms, int64_t n);
} soma_activation;

/* What a loss compares an output with, and what an item of it is. */
enum {
  SOMA_CLASSES = 1, /* item: a row of the last axis; target: its class, int32 in [0, width) */
  SOMA_ELEMENTS = 2, /* item: one number; target: one number; width is 1 */
  SOMA_ROWS = 3      /* item: a row of the last axis; target: a row of as many numbers */
};

/* A loss: the mean of its items' values, which the host forms in the canonical order. Both functions treat every item
 * alone, so any split of the items gives the same bits. output: [items, width]; target: int32 [items] for SOMA_CLASSES,
 * else numbers like output; options: in the order of the list. */
typedef struct soma_loss {
  uint32_t struct_size;
  uint16_t major, minor;
  const char* name;
  const char* summary;
  int32_t target; /* SOMA_CLASSES, SOMA_ELEMENTS or SOMA_ROWS */
  int32_t option_count;
  const soma_option* options;
  /* value[i] of each item */
  void (*value_f32)(const soma_attribute* options, const float* output, const void* target, int64_t items,
                    int64_t width, float* value);
  /* gradient[i, c] = scale * d value[i] / d output[i, c] */
  void (*gradient_f32)(const soma_attribute* options, const float* output, const void* target, int64_t items,
                       int64_t width, float scale, float* gradient);
  void (*value_f64)(const soma_attribute* options, const double* output, const void* target, int64_t items,
                    int64_t width, double* value); /* these two may be NULL; certification needs them */
  void (*gradient_f64)(const soma_attribute* options, const double* output, const void* target, int64_t items,
                       int64_t width, double scale, double* gradient);
} soma_loss;

/* An optimizer: an update that treats every element of a parameter alone, with slots of state, one number each per
 * element, zero at the start and kept in checkpoints under their names. */
typedef struct soma_optimizer {
  uint32_t struct_size;
  uint16_t major, minor;
  const char* name;
  const char* summary;
  const soma_option* options;
  const char* const* slots;
  int32_t option_count;
  int32_t slot_count;
  int32_t scalar_count; /* 1 to 16 */
  int32_t reserved;
  double learning_rate; /* the default */
  /* Once per update, number `step` from 1: what its elements share. The host rounds to float32. */
  void (*scalars)(const soma_attribute* options, int64_t step, double learning_rate, double* to);
  /* Updates weight and slots[0..slot_count), n elements each, in place; any split gives the same bits. */
  void (*step_f32)(const float* scalars, const float* gradient, float* weight, float* const* slots, int64_t n);
  void (*step_f64)(const double* scalars, const double* gradient, double* weight, double* const* slots,
                   int64_t n); /* may be NULL; certification needs it */
} soma_optimizer;

typedef struct soma_layer_instance soma_layer_instance; /* a layer with its fields, for inputs of given shapes */

/* What a layer says about itself once it knows its fields and the shapes of its inputs. Lives as long as the instance.
 * The first axis of inputs and output is the batch. */
typedef struct soma_layer_plan {
  uint32_t struct_size;
  uint16_t major, minor;
  soma_tensor output;
  const soma_parameter* parameters;
  const soma_tensor* saved; /* what forward keeps for backward, in training */
  int32_t parameter_count;
  int32_t saved_count;
  size_t forward_workspace_bytes, backward_workspace_bytes;
} soma_layer_plan;

/* The buffers of one run of a layer, all of the host; workspace aligned to 64 bytes. A gradient that nobody wants is NULL;
 * those that are not are overwritten. Runs fn over [0, n) on the threads of the active backend with
 * parallel_for(pool, n, grain, fn, argument); what is computed must not depend on how it cuts the range. */
typedef struct soma_layer_exec {
  uint32_t struct_size;
  uint16_t major, minor;
  int32_t threads;
  int32_t reserved;
  const void* const* inputs;
  const void* const* parameters;
  void* output;                  /* forward */
  void* const* saved;            /* forward: written, NULL in inference; backward: read */
  const void* grad_output;       /* backward, as the two below */
  void* const* grad_inputs;
  void* const* grad_parameters;
  void* workspace;
  void (*parallel_for)(void* pool, int64_t n, int64_t grain, soma_range_fn fn, void* argument);
  void* pool;
} soma_layer_exec;

/* The host's side of a layer that is composed of others. Values are numbers that the host gives. A call that fails says
 * why, and the layer hands status and text on. */
typedef struct soma_composer {
  uint32_t struct_size;
  uint16_t major, minor;
  void* graph; /* the first argument of all functions */
  /* Type and shape of a value, batch first. */
  soma_status (*shape)(void* graph, int32_t value, soma_tensor* tensor, soma_text* why);
  /* A layer of any type of the model format, with its fields. Its parameters are called LAYER.NAME.weight, ...; a layer
   * without parameters may have the name "" . */
  soma_status (*layer)(void* graph, const char* type, const char* name, const soma_attribute* fields,
                       int32_t field_count, const int32_t* inputs, int32_t input_count, int32_t* output,
                       soma_text* why);
  /* A parameter of the composed layer itself, as a value without a batch. */
  soma_status (*parameter)(void* graph, const soma_parameter* parameter, int32_t* value, soma_text* why);
} soma_composer;

/* A layer type. Either `compose` is there, which builds it from existing layers and needs no backward, or the four
 * functions before it. An instance is immutable; forward and backward may run on several threads at once, with distinct
 * buffers. The dtype of its inputs is float32, for certification also float64, which `open` may refuse with
 * SOMA_UNSUPPORTED; then all its tensors have that type. */
typedef struct soma_layer {
  uint32_t struct_size;
  uint16_t major, minor;
  const char* name; /* the type in model files */
  const char* summary;
  const soma_option* options;
  int32_t option_count;
  int32_t input_count; /* how many inputs it takes; 0: one or more */
  soma_status (*open)(const soma_attribute* options, const soma_tensor* inputs, int32_t input_count,
                      soma_layer_instance** instance, soma_layer_plan* plan, soma_text* why);
  void (*close)(soma_layer_instance* instance);
  soma_status (*forward)(const soma_layer_instance* instance, const soma_layer_exec* exec, soma_text* why);
  soma_status (*backward)(const soma_layer_instance* instance, const soma_layer_exec* exec, soma_text* why);
  soma_status (*compose)(const soma_attribute* options, const soma_composer* composer, const int32_t* inputs,
                         int32_t input_count, int32_t* output, soma_text* why);
} soma_layer;

/* What the host offers to a plugin at entry. */
typedef struct soma_host {
  uint32_t struct_size;
  uint16_t major, minor;
  const char* version; /* of the framework, "0.1.0" */
} soma_host;

/* What a plugin brings: any number of each kind. Later kinds are appended. */
typedef struct soma_plugin {
  uint32_t struct_size;
  uint16_t major, minor;
  const char* name;
  const char* version;
  const soma_backend* const* backends;
  const soma_activation* const* activations;
  int32_t backend_count;
  int32_t activation_count;
  const soma_layer* const* layers;
  const soma_loss* const* losses;
  const soma_optimizer* const* optimizers;
  int32_t layer_count;
  int32_t loss_count;
  int32_t optimizer_count;
  int32_t reserved;
} soma_plugin;

/* May be called more than once and gives the same table each time. */
typedef soma_status (*soma_plugin_entry_fn)(const soma_host* host, const soma_plugin** plugin,
                                            soma_text* why);

/* The layout is the contract: 64-bit little-endian, checked wherever this header is compiled. */
#define SOMA_CONCAT_(a, b) a##b
#define SOMA_CONCAT(a, b) SOMA_CONCAT_(a, b)
#define SOMA_LAYOUT(condition) \
  typedef char SOMA_CONCAT(soma_layout_, __LINE__)[(condition) ? 1 : -1] __attribute__((unused))
#define SOMA_AT(type, member, offset) SOMA_LAYOUT(offsetof(type, member) == (offset))

SOMA_LAYOUT(sizeof(void*) == 8 && sizeof(size_t) == 8);
SOMA_AT(soma_text, data, 0);
SOMA_AT(soma_text, capacity, 8);
SOMA_LAYOUT(sizeof(soma_text) == 16);
SOMA_AT(soma_tensor, dtype, 0);
SOMA_AT(soma_tensor, rank, 4);
SOMA_AT(soma_tensor, dims, 8);
SOMA_LAYOUT(sizeof(soma_tensor) == 72);
SOMA_AT(soma_attribute, name, 0);
SOMA_AT(soma_attribute, kind, 8);
SOMA_AT(soma_attribute, integer, 16);
SOMA_AT(soma_attribute, real, 24);
SOMA_AT(soma_attribute, text, 32);
SOMA_LAYOUT(sizeof(soma_attribute) == 40);
SOMA_AT(soma_option, name, 0);
SOMA_AT(soma_option, kind, 8);
SOMA_AT(soma_option, required, 12);
SOMA_AT(soma_option, integer, 16);
SOMA_AT(soma_option, real, 24);
SOMA_AT(soma_option, text, 32);
SOMA_AT(soma_option, least, 40);
SOMA_AT(soma_option, most, 48);
SOMA_LAYOUT(sizeof(soma_option) == 56);
SOMA_AT(soma_parameter, name, 0);
SOMA_AT(soma_parameter, init, 8);
SOMA_AT(soma_parameter, tensor, 16);
SOMA_AT(soma_parameter, fan_in, 88);
SOMA_AT(soma_parameter, fan_out, 96);
SOMA_LAYOUT(sizeof(soma_parameter) == 104);
SOMA_AT(soma_op, struct_size, 0);
SOMA_AT(soma_op, major, 4);
SOMA_AT(soma_op, minor, 6);
SOMA_AT(soma_op, id, 8);
SOMA_AT(soma_op, inputs, 16);
SOMA_AT(soma_op, outputs, 24);
SOMA_AT(soma_op, attributes, 32);
SOMA_AT(soma_op, input_count, 40);
SOMA_AT(soma_op, output_count, 44);
SOMA_AT(soma_op, attribute_count, 48);
SOMA_AT(soma_op, purpose, 52);
SOMA_AT(soma_kernel_info, struct_size, 0);
SOMA_AT(soma_kernel_info, exactness, 8);
SOMA_AT(soma_kernel_info, packed_inputs, 12);
SOMA_AT(soma_kernel_info, workspace_bytes, 16);
SOMA_AT(soma_kernel_info, pack_bytes, 24);
SOMA_AT(soma_kernel_info, implementation, 32);
SOMA_AT(soma_exec, struct_size, 0);
SOMA_AT(soma_exec, threads, 8);
SOMA_AT(soma_exec, inputs, 16);
SOMA_AT(soma_exec, outputs, 24);
SOMA_AT(soma_exec, workspace, 32);
SOMA_AT(soma_exec, pack, 40);
SOMA_AT(soma_backend_options, struct_size, 0);
SOMA_AT(soma_backend_options, numerics, 8);
SOMA_AT(soma_backend, struct_size, 0);
SOMA_AT(soma_backend, name, 8);
SOMA_AT(soma_backend, summary, 16);
SOMA_AT(soma_backend, runtime, 24);
SOMA_AT(soma_backend, op_ids, 32);
SOMA_AT(soma_backend, op_count, 40);
SOMA_AT(soma_backend, open, 48);
SOMA_AT(soma_backend, close, 56);
SOMA_AT(soma_backend, supports, 64);
SOMA_AT(soma_backend, prepare, 72);
SOMA_AT(soma_backend, pack, 80);
SOMA_AT(soma_backend, execute, 88);
SOMA_AT(soma_backend, release, 96);
SOMA_AT(soma_backend, parallel_for, 104);
SOMA_AT(soma_activation, struct_size, 0);
SOMA_AT(soma_activation, name, 8);
SOMA_AT(soma_activation, summary, 16);
SOMA_AT(soma_activation, forward_f32, 24);
SOMA_AT(soma_activation, backward_f32, 32);
SOMA_AT(soma_activation, forward_f64, 40);
SOMA_AT(soma_activation, backward_f64, 48);
SOMA_AT(soma_activation, parameters, 56);
SOMA_AT(soma_activation, parameter_count, 64);
SOMA_AT(soma_activation, forward_with_f32, 72);
SOMA_AT(soma_activation, backward_with_f32, 80);
SOMA_AT(soma_activation, terms_f32, 88);
SOMA_AT(soma_activation, forward_with_f64, 96);
SOMA_AT(soma_activation, backward_with_f64, 104);
SOMA_AT(soma_activation, terms_f64, 112);
SOMA_AT(soma_loss, struct_size, 0);
SOMA_AT(soma_loss, name, 8);
SOMA_AT(soma_loss, summary, 16);
SOMA_AT(soma_loss, target, 24);
SOMA_AT(soma_loss, option_count, 28);
SOMA_AT(soma_loss, options, 32);
SOMA_AT(soma_loss, value_f32, 40);
SOMA_AT(soma_loss, gradient_f32, 48);
SOMA_AT(soma_loss, value_f64, 56);
SOMA_AT(soma_loss, gradient_f64, 64);
SOMA_AT(soma_optimizer, struct_size, 0);
SOMA_AT(soma_optimizer, name, 8);
SOMA_AT(soma_optimizer, summary, 16);
SOMA_AT(soma_optimizer, options, 24);
SOMA_AT(soma_optimizer, slots, 32);
SOMA_AT(soma_optimizer, option_count, 40);
SOMA_AT(soma_optimizer, slot_count, 44);
SOMA_AT(soma_optimizer, scalar_count, 48);
SOMA_AT(soma_optimizer, learning_rate, 56);
SOMA_AT(soma_optimizer, scalars, 64);
SOMA_AT(soma_optimizer, step_f32, 72);
SOMA_AT(soma_optimizer, step_f64, 80);
SOMA_AT(soma_layer_plan, struct_size, 0);
SOMA_AT(soma_layer_plan, output, 8);
SOMA_AT(soma_layer_plan, parameters, 80);
SOMA_AT(soma_layer_plan, saved, 88);
SOMA_AT(soma_layer_plan, parameter_count, 96);
SOMA_AT(soma_layer_plan, saved_count, 100);
SOMA_AT(soma_layer_plan, forward_workspace_bytes, 104);
SOMA_AT(soma_layer_plan, backward_workspace_bytes, 112);
SOMA_AT(soma_layer_exec, struct_size, 0);
SOMA_AT(soma_layer_exec, threads, 8);
SOMA_AT(soma_layer_exec, inputs, 16);
SOMA_AT(soma_layer_exec, parameters, 24);
SOMA_AT(soma_layer_exec, output, 32);
SOMA_AT(soma_layer_exec, saved, 40);
SOMA_AT(soma_layer_exec, grad_output, 48);
SOMA_AT(soma_layer_exec, grad_inputs, 56);
SOMA_AT(soma_layer_exec, grad_parameters, 64);
SOMA_AT(soma_layer_exec, workspace, 72);
SOMA_AT(soma_layer_exec, parallel_for, 80);
SOMA_AT(soma_layer_exec, pool, 88);
SOMA_AT(soma_composer, struct_size, 0);
SOMA_AT(soma_composer, graph, 8);
SOMA_AT(soma_composer, shape, 16);
SOMA_AT(soma_composer, layer, 24);
SOMA_AT(soma_composer, parameter, 32);
SOMA_AT(soma_layer, struct_size, 0);
SOMA_AT(soma_layer, name, 8);
SOMA_AT(soma_layer, summary, 16);
SOMA_AT(soma_layer, options, 24);
SOMA_AT(soma_layer, option_count, 32);
SOMA_AT(soma_layer, input_count, 36);
SOMA_AT(soma_layer, open, 40);
SOMA_AT(soma_layer, close, 48);
SOMA_AT(soma_layer, forward, 56);
SOMA_AT(soma_layer, backward, 64);
SOMA_AT(soma_layer, compose, 72);
SOMA_AT(soma_host, struct_size, 0);
SOMA_AT(soma_host, version, 8);
SOMA_AT(soma_plugin, struct_size, 0);
SOMA_AT(soma_plugin, name, 8);
SOMA_AT(soma_plugin, version, 16);
SOMA_AT(soma_plugin, backends, 24);
SOMA_AT(soma_plugin, activations, 32);
SOMA_AT(soma_plugin, backend_count, 40);
SOMA_AT(soma_plugin, activation_count, 44);
SOMA_AT(soma_plugin, layers, 48);
SOMA_AT(soma_plugin, losses, 56);
SOMA_AT(soma_plugin, optimizers, 64);
SOMA_AT(soma_plugin, layer_count, 72);
SOMA_AT(soma_plugin, loss_count, 76);
SOMA_AT(soma_plugin, optimizer_count, 80);

#ifdef __cplusplus
}
#endif

#endif /* SOMA_ABI_H_ */
