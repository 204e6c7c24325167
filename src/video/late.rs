//! FFmpeg's libraries, loaded when the first medium needs them instead of when the process starts.
//!
//! They bring some 130 libraries along, and loading these takes longer than all else that a short command does. So the
//! functions of FFmpeg that `ffmpeg-next` calls are defined here, within the program, each as a jump through a slot of a
//! table, and [`load`] fills the table by `dlopen` and `dlsym`. A linker takes what is defined within the program before it
//! looks into libraries, and leaves those out that nothing is taken from (`--as-needed`, which rustc asks for). A function
//! missing in the list costs the late loading and nothing else, as its library is linked again; `tests/late_ffmpeg.rs` sees
//! it. Until the table is filled every slot leads to [`first_call`], so that a program may call FFmpeg before this crate does.
//!
//! Data cannot be had in this way, and FFmpeg's interface has none that is used. On other systems, and without the feature
//! `late-ffmpeg`, FFmpeg is linked as any library is. Implib.so and the delayed loading of Windows work alike.

pub(super) use table::load;

#[cfg(not(all(
    feature = "late-ffmpeg",
    target_os = "linux",
    target_env = "gnu",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod table {
    /// The libraries came with the program.
    pub(crate) fn load() -> crate::error::Result<()> {
        Ok(())
    }
}

#[cfg(all(
    feature = "late-ffmpeg",
    target_os = "linux",
    target_env = "gnu",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[allow(unsafe_code)]
mod table {
    use std::arch::{global_asm, naked_asm};
    use std::ffi::{CStr, CString, c_void};
    use std::sync::atomic::{AtomicPtr, Ordering};
    use std::sync::{Mutex, PoisonError};

    use ffmpeg_next::ffi;

    use crate::error::{Error, Result};

    /// `NAME` jumps to where its slot says, which is at first the two instructions behind it: they put the address of `NAME`
    /// where [`first_call`] looks for it. Hidden, since FFmpeg's own libraries must not find these when they look for each other.
    #[cfg(target_arch = "x86_64")]
    macro_rules! jump {
        () => {
            r".macro refrain_jump name
                .globl \name
                .hidden \name
                .type \name, @function
                \name: jmp [rip + .Lslot_\name]
                .Lfirst_\name: lea r11, [rip + \name]
                jmp {first_call}
                .size \name, . - \name
            .endm
            "
        };
    }
    #[cfg(target_arch = "aarch64")]
    macro_rules! jump {
        () => {
            r".macro refrain_jump name
                .globl \name
                .hidden \name
                .type \name, %function
                \name: adrp x16, .Lslot_\name
                ldr x16, [x16, :lo12:.Lslot_\name]
                br x16
                .Lfirst_\name: adrp x17, \name
                add x17, x17, :lo12:\name
                b {first_call}
                .size \name, . - \name
            .endm
            "
        };
    }

    macro_rules! functions {
        ($($library:ident { $($name:ident)* })*) => {
            /// The functions of each library, in the order of the slots.
            const FUNCTIONS: &[(&str, &[&str])] = &[$((stringify!($library), &[$(stringify!($name)),*])),*];
            const COUNT: usize = [$($(stringify!($name)),*),*].len();

            global_asm!(
                jump!(),
                ".pushsection .text.refrain_late, \"ax\"",
                ".p2align 4",
                $($(concat!("refrain_jump ", stringify!($name)),)*)*
                ".popsection",
                ".purgem refrain_jump",
                ".pushsection .data.refrain_late, \"aw\"",
                ".p2align 3",
                ".globl refrain_late_slots",
                ".hidden refrain_late_slots",
                "refrain_late_slots:",
                $($(concat!(".Lslot_", stringify!($name), ": .quad .Lfirst_", stringify!($name)),)*)*
                ".popsection",
                first_call = sym first_call,
            );
        };
    }

    // What `ffmpeg-next` names in its modules `codec`, `format`, `software::scaling` and `util`, and this crate beside it, in
    // all versions of FFmpeg that it knows. Functions that are inline in FFmpeg's headers are not among them.
    functions! {
        avutil {
            av_add_q av_channel_layout_compare av_channel_layout_default av_color_primaries_name av_color_range_name
            av_color_space_name av_color_transfer_name av_d2q av_dict_copy av_dict_free av_dict_get av_dict_set
            av_div_q av_dynarray_add av_frame_alloc av_frame_copy av_frame_copy_props av_frame_free
            av_frame_get_buffer av_frame_get_side_data av_frame_new_side_data av_frame_remove_side_data
            av_frame_side_data_name av_free av_freep av_get_bits_per_pixel av_get_bytes_per_sample
            av_get_channel_layout_nb_channels av_get_default_channel_layout av_get_packed_sample_fmt av_get_pix_fmt
            av_get_planar_sample_fmt av_get_sample_fmt av_get_sample_fmt_name av_gettime av_gettime_relative
            av_gettime_relative_is_monotonic av_image_fill_pointers av_log_get_flags av_log_get_level
            av_log_set_flags av_log_set_level av_malloc av_mallocz av_mul_q av_nearer_q av_opt_set av_opt_set_bin
            av_opt_set_channel_layout av_opt_set_chlayout av_opt_set_dict av_opt_set_double av_opt_set_image_size
            av_opt_set_int av_opt_set_pixel_fmt av_opt_set_q av_opt_set_sample_fmt av_pix_fmt_desc_get av_q2intfloat
            av_realloc av_reduce av_rescale_q av_rescale_q_rnd av_sample_fmt_is_planar
            av_samples_alloc_array_and_samples av_samples_copy av_samples_get_buffer_size av_strdup av_strerror
            av_sub_q av_usleep avutil_configuration avutil_license avutil_version
        }
        avcodec {
            av_codec_is_decoder av_codec_is_encoder av_grow_packet av_init_packet av_new_packet
            av_packet_make_writable av_packet_new_side_data av_packet_ref av_packet_rescale_ts av_packet_unref
            av_shrink_packet avcodec_alloc_context3 avcodec_close avcodec_configuration avcodec_decode_subtitle2
            avcodec_encode_subtitle avcodec_find_decoder avcodec_find_decoder_by_name avcodec_find_encoder
            avcodec_find_encoder_by_name avcodec_flush_buffers avcodec_free_context avcodec_get_name
            avcodec_get_supported_config avcodec_get_type avcodec_license avcodec_open2 avcodec_parameters_alloc
            avcodec_parameters_copy avcodec_parameters_free avcodec_parameters_from_context
            avcodec_parameters_to_context avcodec_receive_frame avcodec_receive_packet avcodec_send_frame
            avcodec_send_packet avcodec_version
        }
        avformat {
            av_dump_format av_find_best_stream av_guess_codec av_interleaved_write_frame av_read_frame av_read_pause
            av_read_play av_write_frame av_write_trailer avformat_alloc_context avformat_alloc_output_context2
            avformat_close_input avformat_configuration avformat_find_stream_info avformat_free_context
            avformat_license avformat_network_deinit avformat_network_init avformat_new_stream avformat_open_input
            avformat_seek_file avformat_version avformat_write_header avio_alloc_context avio_close
            avio_context_free avio_flush avio_open avio_open2 avio_size
        }
        swscale {
            sws_allocVec sws_freeContext sws_freeFilter sws_freeVec sws_getCachedContext sws_getContext
            sws_getDefaultFilter sws_getGaussianVec sws_isSupportedEndiannessConversion sws_isSupportedInput
            sws_isSupportedOutput sws_normalizeVec sws_scale sws_scaleVec swscale_configuration swscale_license
            swscale_version
        }
    }

    unsafe extern "C" {
        static refrain_late_slots: [AtomicPtr<c_void>; COUNT];
    }

    /// Keeps the arguments of the call, whatever they are, loads the libraries, and goes back to the function that was called,
    /// whose slot then leads on.
    #[cfg(target_arch = "x86_64")]
    #[unsafe(naked)]
    extern "C" fn first_call() {
        naked_asm!(
            "push rbp",
            "mov rbp, rsp",
            "push rdi",
            "push rsi",
            "push rdx",
            "push rcx",
            "push r8",
            "push r9",
            "push rax", // how many of the arguments are in vector registers, for functions with any number of them
            "push r11",
            "sub rsp, 128",
            "movups [rsp], xmm0",
            "movups [rsp + 16], xmm1",
            "movups [rsp + 32], xmm2",
            "movups [rsp + 48], xmm3",
            "movups [rsp + 64], xmm4",
            "movups [rsp + 80], xmm5",
            "movups [rsp + 96], xmm6",
            "movups [rsp + 112], xmm7",
            "call {load}",
            "movups xmm0, [rsp]",
            "movups xmm1, [rsp + 16]",
            "movups xmm2, [rsp + 32]",
            "movups xmm3, [rsp + 48]",
            "movups xmm4, [rsp + 64]",
            "movups xmm5, [rsp + 80]",
            "movups xmm6, [rsp + 96]",
            "movups xmm7, [rsp + 112]",
            "add rsp, 128",
            "pop r11",
            "pop rax",
            "pop r9",
            "pop r8",
            "pop rcx",
            "pop rdx",
            "pop rsi",
            "pop rdi",
            "pop rbp",
            "jmp r11",
            load = sym load_or_abort,
        )
    }

    /// Keeps the arguments of the call, whatever they are, loads the libraries, and goes back to the function that was called,
    /// whose slot then leads on.
    #[cfg(target_arch = "aarch64")]
    #[unsafe(naked)]
    extern "C" fn first_call() {
        naked_asm!(
            "stp x29, x30, [sp, #-16]!",
            "mov x29, sp",
            "stp x17, x8, [sp, #-16]!",
            "stp x0, x1, [sp, #-16]!",
            "stp x2, x3, [sp, #-16]!",
            "stp x4, x5, [sp, #-16]!",
            "stp x6, x7, [sp, #-16]!",
            "stp q0, q1, [sp, #-32]!",
            "stp q2, q3, [sp, #-32]!",
            "stp q4, q5, [sp, #-32]!",
            "stp q6, q7, [sp, #-32]!",
            "bl {load}",
            "ldp q6, q7, [sp], #32",
            "ldp q4, q5, [sp], #32",
            "ldp q2, q3, [sp], #32",
            "ldp q0, q1, [sp], #32",
            "ldp x6, x7, [sp], #16",
            "ldp x4, x5, [sp], #16",
            "ldp x2, x3, [sp], #16",
            "ldp x0, x1, [sp], #16",
            "ldp x17, x8, [sp], #16",
            "ldp x29, x30, [sp], #16",
            "br x17",
            load = sym load_or_abort,
        )
    }

    /// For a call that cannot be told of an error.
    extern "C" fn load_or_abort() {
        if let Err(error) = load() {
            eprintln!("{error}");
            std::process::abort();
        }
    }

    /// In the slots of functions that this version of FFmpeg lacks, which its headers do not declare either.
    extern "C" fn absent() {
        eprintln!("a function was called that the FFmpeg of this machine lacks");
        std::process::abort();
    }

    /// Loads FFmpeg, once; to be called before anything else of it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a library is not there, or not in the version that this program was built for. It is tried again
    /// the next time.
    pub(crate) fn load() -> Result<()> {
        // A failure may pass, as one for want of descriptors does.
        static LOADED: Mutex<bool> = Mutex::new(false);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if !*loaded {
            fill().map_err(|detail| Error::unsupported(format!("FFmpeg cannot be loaded: {detail}")))?;
            *loaded = true;
        }
        Ok(())
    }

    fn fill() -> Result<(), String> {
        // SAFETY: the table above has `COUNT` slots of a pointer each, and is changed by atomic stores alone.
        let mut slots = unsafe { &refrain_late_slots }.iter();
        for (library, names) in FUNCTIONS {
            let handle = open(library)?;
            for (name, slot) in names.iter().zip(&mut slots) {
                let name = CString::new(*name).map_err(|error| error.to_string())?;
                // SAFETY: the handle is that of an open library, which is never closed; the name ends in zero.
                let function = unsafe { libc::dlsym(handle, name.as_ptr()) };
                let function = if function.is_null() { absent as *mut c_void } else { function };
                slot.store(function, Ordering::Release);
            }
        }
        Ok(())
    }

    /// The library in the version that the program was built for, from where a linked one would be taken.
    fn open(library: &str) -> Result<*mut c_void, String> {
        let major = match library {
            "avutil" => ffi::LIBAVUTIL_VERSION_MAJOR,
            "avcodec" => ffi::LIBAVCODEC_VERSION_MAJOR,
            "avformat" => ffi::LIBAVFORMAT_VERSION_MAJOR,
            _ => ffi::LIBSWSCALE_VERSION_MAJOR,
        };
        let name = CString::new(format!("lib{library}.so.{major}")).map_err(|error| error.to_string())?;
        // SAFETY: the name ends in zero; what the initialisers of a library do is as trusted as when it is linked.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
        if !handle.is_null() {
            return Ok(handle);
        }
        // SAFETY: after a failure the message is a string that lasts until the next call of this thread.
        let message = unsafe { libc::dlerror().as_ref().map(|text| CStr::from_ptr(text)) };
        Err(message.map_or_else(|| format!("{name:?}"), |text| text.to_string_lossy().into_owned()))
    }
}
