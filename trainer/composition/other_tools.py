"""What users of other tools write, and the line that means it here.

Lightning, the Lightning-Hydra template, timm, Keras, Hugging Face's Trainer and torchvision's
reference scripts have words of their own. Each is answered by a line that can be typed. Case,
hyphens and underscores do not count.
"""

import re

TORCHRUN = "torchrun --standalone --nproc-per-node {} -m trainer"

# Keys by the line that means them; `{}` stands for the value as typed.
KEYS = {
    "batch_size={}": "bs b batch batch_sizes train_batch_size data.batch_size "
    "dataloader.batch_size datamodule.batch_size per_device_train_batch_size",
    "optim.lr={}": "lr learning_rate base_lr init_lr initial_lr max_lr peak_lr model.optimizer.lr "
    "optim.learning_rate",
    "optim.weight_decay={}": "wd weight_decay l2 optim.wd optim.l2 model.optimizer.weight_decay",
    "optim.momentum={}": "momentum",
    "optim.nesterov=true": "nesterov",
    "optim.betas=[0.9,0.999]": "beta1 beta2 betas adam_beta1 adam_beta2 optim.beta1 optim.beta2",
    "epochs={}": "n_epochs num_epochs max_epochs nb_epochs num_train_epochs trainer.max_epochs "
    "train.epochs ep",
    "max_steps={}": "max_iter max_iters num_steps n_steps steps total_steps iterations "
    "trainer.max_steps",
    "scheduler.warmup={}ep": "warmup warmup_epochs num_warmup_epochs lr_warmup_epochs "
    "scheduler.warmup_epochs",
    "scheduler.warmup={}st": "warmup_steps warmup_iters num_warmup_steps scheduler.warmup_steps",
    "scheduler.min_lr={}": "min_lr eta_min end_lr scheduler.eta_min",
    "scheduler=step scheduler.gamma={}": "gamma lr_gamma decay_rate",
    "scheduler=step scheduler.step_size={}ep": "step_size lr_step_size decay_epochs",
    "scheduler=multistep scheduler.milestones=[50%,75%]": "milestones lr_steps",
    "clip_norm={}": "grad_clip clip_grad clip_grad_norm gradient_clip gradient_clip_val "
    "max_grad_norm clipnorm trainer.gradient_clip_val grad_norm",
    "clip_value={}": "clipvalue clip_grad_value grad_clip_value",
    "accumulate={}": "accumulate_grad_batches gradient_accumulation_steps grad_accum_steps "
    "grad_accum accum_iter accumulation_steps trainer.accumulate_grad_batches",
    "precision=auto": "amp use_amp mixed_precision autocast half",
    "precision=fp16": "fp16",
    "precision=bf16": "bf16 bfloat16",
    "precision={}": "dtype trainer.precision",
    TORCHRUN: "gpus devices n_gpu n_gpus num_gpus nproc num_processes world_size trainer.devices "
    "trainer.gpus nproc_per_node",
    TORCHRUN.format(2) + " strategy=ddp": "ddp distributed trainer.strategy",
    "strategy.sync_batch_norm=true": "sync_bn sync_batchnorm trainer.sync_batchnorm",
    "device=cuda": "gpu cuda use_cuda use_gpu gpu_id",
    "device={}": "accelerator trainer.accelerator",
    "device=cpu": "cpu no_cuda",
    "data={}": "dataset datamodule ds data_name dataset_name data.dataset",
    "data.root={}": "data_dir data_path data_root dataset_path dataset_dir root data.dir "
    "data.data_dir data.path datamodule.data_dir paths.data_dir",
    "data.val={}": "val_split validation_split val_size val_ratio val_fraction data.val_split",
    "data.workers={}": "num_workers workers n_workers data.num_workers dataloader.num_workers "
    "datamodule.num_workers",
    "data.subset={}": "subset limit_train_batches trainer.limit_train_batches num_train",
    "threads={}": "num_threads n_threads torch_threads",
    "model={}": "arch network net backbone model_name architecture model.type",
    "optim={}": "opt optimizer_name optimiser optim.type",
    "scheduler={}": "sched lr_scheduler lr_schedule schedule scheduler.type lr_policy",
    "loss={}": "criterion loss_fn loss_function",
    "augment={}": "augmentation augmentations aug transform transforms data_augmentation",
    "augment=rand_augment": "aa auto_augment randaugment",
    "augment=random_erasing": "reprob random_erase",
    "average=ema": "ema use_ema model_ema weight_averaging",
    "average=ema average.decay={}": "ema_decay model_ema_decay",
    "average=lookahead": "lookahead",
    "average=swa average.start=75%": "swa_start swa_epoch_start",
    "mix=cutmix": "cutmix",
    "mix=mixup mix.alpha={}": "mixup_alpha alpha",
    "mix=cutmix mix.alpha={}": "cutmix_alpha",
    "loss.label_smoothing={}": "smoothing label_smoothing",
    "seed={}": "random_seed random_state manual_seed seed_everything rng_seed",
    "name={}": "exp_name experiment_name run_name task_name project tag tags exp",
    "outputs={}": "output output_dir out_dir save_dir logdir workdir "
    "default_root_dir trainer.default_root_dir paths.output_dir",
    "resume=RUN": "ckpt ckpt_path checkpoint_path resume_from resume_from_checkpoint "
    "auto_resume load_checkpoint trainer.resume_from_checkpoint",
    "init_from={}": "pretrained weights finetune initial_checkpoint load_weights",
    "checkpoint.every={}ep": "save_every save_freq save_interval checkpoint_every ckpt_every "
    "every_n_epochs",
    "checkpoint.keep={}": "save_top_k checkpoint_hist keep_last",
    "max_steps=5": "debug fast_dev_run dry_run smoke_test trainer.fast_dev_run",
    "task=lr_range": "lr_find auto_lr_find find_lr lr_finder",
    "report_test=true": "test run_test",
    "tta=flip": "test_time_augmentation",
    "init={}": "weight_init initializer",
    "repeat=RUN": "rerun from_config",
}

# Choices of a group, by the line that means them.
CHOICES: dict[str, dict[str, str]] = {
    "precision": {
        "precision=fp32": "32 float32 float full single highest 32_true",
        "precision=fp64": "64 float64 double 64_true",
        "precision=fp16": "16 float16 half 16_mixed 16_true amp mixed mixed_float16",
        "precision=bf16": "bfloat16 bf16_mixed bf16_true mixed_bfloat16",
        "precision=tf32": "high medium",
    },
    "scheduler": {
        "scheduler=constant": "none off null no false const constantlr flat",
        "scheduler=plateau": "reduce_on_plateau reducelronplateau",
        "scheduler=cosine": "cos cosineannealing cosineannealinglr cosine_decay cosinelr",
        "scheduler=cosine scheduler.warmup=5%": "cosine_warmup cosine_with_warmup warmup_cosine "
        "linear_warmup_cosine",
        "scheduler=cosine_restarts": "cosineannealingwarmrestarts sgdr warm_restarts "
        "cosine_with_restarts",
        "scheduler=step": "steplr staircase",
        "scheduler=multistep": "multisteplr",
        "scheduler=exponential": "exponentiallr exp exponential_decay",
        "scheduler=onecycle": "onecyclelr 1cycle",
        "scheduler=cyclic": "cycliclr clr triangular",
        "scheduler=polynomial": "poly polynomiallr polynomial_decay polylr",
        "scheduler=polynomial scheduler.power=1": "linear linearlr linear_decay",
        "scheduler=constant scheduler.warmup=5%": "warmup linear_warmup constant_with_warmup",
        "scheduler=swa": "swalr",
    },
    "optim": {
        "optim=sgd": "momentum gd gradient_descent",
        "optim=sgd optim.nesterov=true": "nesterov nag sgd_nesterov",
        "optim=adam optim.amsgrad=true": "amsgrad",
    },
    "data": {
        "data=cifar10": "cifar",
        "data=image_folder data.root=FOLDER": "folder imagenet imagenet1k custom images",
        "data=synthetic": "fake fakedata random dummy",
        "data=digits": "sklearn load_digits",
    },
    "model": {
        "model=lenet5": "lenet",
        "model=wide_resnet": "wrn wrn_28_10 wideresnet28",
        "model=preact_resnet18": "preact_resnet preresnet18",
        "model=cnn": "convnet simple_cnn smallcnn none",
        "model=mlp": "fc dense linear fully_connected",
        "model=vgg16": "vgg",
        "model=resnet20": "resnet",
    },
    "augment": {
        "augment=standard": "default flip crop random_crop hflip horizontal_flip basic",
        "augment=rand_augment": "randaug autoaugment ra",
        "augment=random_erasing": "erasing random_erase",
        "augment=color_jitter": "jitter colour_jitter color",
        "augment=none": "off null no false",
    },
    "average": {
        "average=none": "off null no false",
        "average=ema": "exponential moving_average model_ema on true",
        "average=swa": "stochastic mean",
    },
    "mix": {
        "mix=none": "off null no false",
        "mix=mixup": "on true mixup_alpha",
        "mix=mixup_or_cutmix": "both mixup_cutmix random",
    },
    "loss": {
        "loss=cross_entropy": "ce crossentropyloss nll softmax categorical_crossentropy",
        "loss=cross_entropy loss.label_smoothing=0.1": "label_smoothing smooth ls",
        "loss=distill": "kd distillation knowledge_distillation",
    },
    "strategy": {
        "strategy=ddp": "distributed ddp_spawn distributed_data_parallel multi_gpu",
        "strategy=dp": "data_parallel",
        "strategy=single": "none single_device off null",
    },
    "task": {
        "task=train": "fit training",
        "task=lr_range": "lr_find lr_finder range_test",
        "task=plan": "dry_run summary",
    },
}

# Networks of torchvision that are not among the names of `model`.
TORCHVISION = re.compile(
    r"(alexnet|convnext|densenet|efficientnet|googlenet|inception|maxvit|mnasnet|mobilenet|regnet|"
    r"resnet(18|34|101|152)|resnext|shufflenet|squeezenet|swin|vgg(11|13|19)|vit_|wide_resnet\d)\w*"
)

FILES = "every run writes its scalars for TensorBoard and a line an epoch to metrics.jsonl"
REMARKS = {
    FILES: "logger loggers logging wandb use_wandb tensorboard log_every_n_steps log_interval "
    "log_every print_freq print_every trainer.logger",
    "there are no callbacks: averages, clipping, checkpoints and mixing are keys of their own; "
    "see --help": "callbacks callback trainer.callbacks",
    "the number of classes is the data's": "num_classes n_classes model.num_classes classes",
    "images have the size that the data has": "img_size image_size input_size resize crop_size",
    "validation is at the end of every epoch": "val_every eval_every val_check_interval "
    "check_val_every_n_epoch eval_freq eval_interval",
    "runs repeat to the last bit without a word": "deterministic trainer.deterministic benchmark "
    "cudnn_benchmark",
    "a bar shows the progress where there is a terminal": "verbose progress_bar "
    "enable_progress_bar tqdm",
}


def plain(word: str) -> str:
    """Return a word without what people vary: case, hyphens, underscores, quotes."""
    return re.sub(r"[-_\s'\"]", "", word.lower())


def by_word(table: dict[str, str]) -> dict[str, str]:
    """Return a table of lines by word, from one of words by line."""
    return {plain(word): line for line, words in table.items() for word in words.split()}


LINES, SAID = by_word(KEYS), by_word(REMARKS)
NAMES = {group: by_word(table) for group, table in CHOICES.items()}


def line_for_key(key: str, value: str) -> str | None:
    """Return what an unknown key means here, as a line or a sentence, or None."""
    word = plain(key)
    if word in LINES:
        line = LINES[word]
        if not value.strip() or value.strip().lower() in ("true", "false", "null", "none"):
            return line.replace("={}", "=...").replace("{}", "2")
        group, _, rest = line.partition("=")
        chosen = line_for_choice(group, value) if rest == "{}" and group in CHOICES else None
        return chosen or line.replace("{}", value)
    return SAID.get(word)


def line_for_choice(group: str, name: str) -> str | None:
    """Return what an unknown choice of a group means here, as a line, or None."""
    if group == "model" and TORCHVISION.fullmatch(name.lower().replace("-", "_")):
        return f"model=torchvision model.arch={name.lower().replace('-', '_')}"
    return NAMES.get(group, {}).get(plain(name))
