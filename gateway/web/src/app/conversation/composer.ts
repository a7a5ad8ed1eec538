import { ChangeDetectionStrategy, Component, DestroyRef, ElementRef, afterNextRender, computed, effect, inject, input, model, output, signal, untracked, viewChild } from '@angular/core';
import { Chat } from '../core/chat';
import { Notices } from '../core/notices';
import { closedName, emojiAt, replaced, searchEmoji } from '../emoji/emoji';
import { EmojiChoice } from '../emoji/emoji-choice';
import { I18n } from '../i18n/i18n';
import { Message, RtsError, RtsRoom, Upload, toRtsError } from '../rts';
import { Avatar } from '../ui/avatar';
import { Icon } from '../ui/icon';
import { isComposing } from '../ui/keys';
import { Draft, Drafts } from './drafts';
import { markOf, toggled } from './mark-keys';
import { Picked, complete, labelOf, mentionAt, mentionable, toIds, toNames } from './mention';
import { languageOf } from './tokens';
import { UploadTray } from './upload-tray';

/** The server's limits, repeated here to report them early. */
const BODY_BYTES_MAX = 16 * 1024;
const FILES_MAX = 10;
const HEIGHT_PX_MAX = 180;

/** Writes and edits messages, with their files, quote and mentions. */
@Component({
  selector: 'rts-composer',
  imports: [Avatar, Icon, UploadTray],
  templateUrl: './composer.html',
  host: { class: 'composer' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Composer {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  private readonly drafts = inject(Drafts);
  private readonly notices = inject(Notices);
  private readonly emojiChoice = inject(EmojiChoice);
  private destroyed = false;
  private readonly area = viewChild.required<ElementRef<HTMLTextAreaElement>>('area');
  readonly room = input.required<RtsRoom>();
  readonly replyTo = model<Message | undefined>();
  readonly editing = model<Message | undefined>();
  readonly sent = output();
  /** Asks to edit the user's last message. */
  readonly editLast = output();

  protected readonly text = signal('');
  /** The names in the text that stand for ids. */
  private readonly named = signal<Picked>(new Map());
  /** The text with ids for names, as it is sent and kept. */
  private readonly body = computed(() => toIds(this.text(), this.named()));
  protected readonly language = computed(() => languageOf(this.text()));
  private readonly caret = signal(0);
  private readonly dismissed = signal(false);
  protected readonly option = signal(0);
  protected readonly uploads = computed(() => this.drafts.get(this.room().roomId).uploads);
  /** True while an edit is being saved; `failed` is the reason why the last one was not accepted. */
  protected readonly saving = signal(false);
  protected readonly failed = signal<RtsError | undefined>(undefined);
  protected readonly title = computed(() => this.chat.title(this.room()));
  protected readonly over = computed(() => new TextEncoder().encode(this.body().trim()).length - BODY_BYTES_MAX);
  private readonly mention = computed(() => (this.dismissed() ? undefined : mentionAt(this.text(), this.caret())));
  protected readonly options = computed(() => {
    const mention = this.mention();
    return mention === undefined ? [] : mentionable(this.chat.members(this.room()), mention.query, this.chat.client().userId);
  });
  /** The quoted message, in its newest state. */
  protected readonly quoted = computed(() => this.now(this.replyTo()));
  private readonly emojiStart = computed(() => (this.dismissed() ? undefined : emojiAt(this.text(), this.caret())));
  protected readonly emojiOptions = computed(() => searchEmoji(this.emojiStart()?.query ?? '', 8));
  protected readonly listed = computed(() => (this.options().length > 0 ? 'mention' : this.emojiOptions().length > 0 ? 'emoji' : undefined));
  protected readonly ready = computed(() => {
    // An edit takes no files with it.
    const settled = this.editing() !== undefined || this.uploads().every((upload) => upload.state() === 'done');
    const something = this.text().trim() !== '' || (this.uploads().length > 0 && this.editing() === undefined);
    return settled && something && this.over() <= 0 && !this.saving();
  });

  constructor() {
    inject(DestroyRef).onDestroy(() => (this.destroyed = true));
    const host = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement;
    afterNextRender(() => {
      // Not on touch screens, where a keyboard would cover the messages, and not if the focus is in this conversation.
      if (!matchMedia('(pointer: coarse)').matches && !host.closest('.conversation')?.contains(document.activeElement)) {
        this.focus();
      }
    });
    effect(() => {
      const editing = this.editing();
      const room = this.room();
      untracked(() => {
        if (this.drafts.get(room.roomId).editing?.seq !== editing?.seq) {
          this.keep({ editing, edited: undefined });
        }
        const { text, edited } = this.drafts.get(room.roomId);
        this.failed.set(undefined);
        const now = edited === undefined ? this.now(editing) : undefined;
        now === undefined ? this.load(edited ?? text) : this.load(now.body, now.mentions ?? []);
      });
    });
    effect(() => {
      // An edit that was being saved when the user left the room, and has been saved since.
      const kept = this.drafts.get(this.room().roomId).editing;
      if (kept === undefined && untracked(this.editing) !== undefined) {
        untracked(() => this.editing.set(undefined));
      }
    });
    effect(() => {
      if (this.now(this.editing())?.deleted) {
        untracked(() => this.lost());
      }
    });
    effect(() => {
      const replyTo = this.replyTo();
      untracked(() => this.keep({ replyTo }));
    });
    effect(() => {
      const about = this.replyTo() ?? this.editing();
      if (about !== undefined) {
        untracked(() => void this.follow(about));
        this.area().nativeElement.focus();
      }
    });
  }

  focus(): void {
    this.area().nativeElement.focus({ preventScroll: true });
  }

  attach(files: Iterable<File>): void {
    for (const file of files) {
      if (this.uploads().length >= FILES_MAX) {
        this.notices.show(this.i18n.t().composer.tooManyFiles(FILES_MAX), true);
        return;
      }
      this.drafts.attach(this.room(), file);
    }
    this.area().nativeElement.focus();
  }

  protected remove(upload: Upload): void {
    upload.cancel();
    this.keep({ uploads: this.uploads().filter((each) => each !== upload) });
  }

  protected typed(): void {
    this.replaceName();
    const { value, selectionStart } = this.area().nativeElement;
    this.text.set(value);
    this.caret.set(selectionStart);
    this.dismissed.set(false);
    this.option.set(0);
    this.fit();
    if (this.editing() === undefined) {
      this.keep({ text: this.body() });
      value.trim() === '' ? this.room().typing.stopped() : this.room().typing.typed();
    } else {
      this.keep({ edited: this.body() });
    }
  }

  protected moved(): void {
    this.caret.set(this.area().nativeElement.selectionStart);
  }

  protected pasted(event: ClipboardEvent): void {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0 && this.chat.client().supports('CreateUpload')) {
      event.preventDefault();
      this.attach(files);
    }
  }

  protected picked(input: HTMLInputElement): void {
    this.attach(input.files ?? []);
    input.value = '';
  }

  protected key(event: KeyboardEvent): void {
    // While a Korean syllable is being composed, Enter belongs to the input method.
    if (isComposing(event)) {
      return;
    }
    if (this.listed() !== undefined && this.optionKey(event)) {
      event.preventDefault();
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    } else if (markOf(event) !== undefined) {
      event.preventDefault();
      this.mark(markOf(event) ?? '');
    } else if (event.key === 'Escape') {
      this.cancel();
    } else if (event.key === 'ArrowUp' && this.text() === '') {
      event.preventDefault();
      this.editLast.emit();
    }
  }

  protected cancel(): void {
    this.replyTo.set(undefined);
    this.editing.set(undefined);
  }

  protected choose(userId: string): void {
    const mention = this.mention();
    if (mention !== undefined) {
      const picked = new Map(this.named());
      const done = complete(this.text(), mention, this.caret(), labelOf(userId, this.chat.name(userId), picked));
      this.named.set(picked);
      this.put(done);
    }
  }

  protected chooseEmoji(emoji: string): void {
    const start = this.emojiStart();
    if (start !== undefined) {
      this.emojiChoice.used(emoji);
      this.put(replaced(this.text(), start.from, this.caret(), `${emoji} `));
    }
  }

  protected async pickEmoji(): Promise<void> {
    const { selectionStart, selectionEnd } = this.area().nativeElement;
    const emoji = await this.emojiChoice.ask();
    if (emoji !== undefined) {
      this.put(replaced(this.text(), selectionStart, selectionEnd, emoji));
    }
  }

  protected submit(): void {
    if (!this.ready()) {
      return;
    }
    const editing = this.editing();
    const body = this.body().trim();
    if (editing !== undefined) {
      void this.save(editing, body);
      return;
    }
    const replyTo = this.replyTo()?.seq;
    const attachments = this.uploads().flatMap((upload) => upload.attachment() ?? []);
    this.room().send({ body, attachments, ...(replyTo === undefined ? {} : { replyTo }) });
    this.keep({ text: '', uploads: [] });
    this.replyTo.set(undefined);
    this.load('');
    this.sent.emit();
  }

  /** Saves an edit, which stays in the field until the server accepts it. */
  private async save(editing: Message, body: string): Promise<void> {
    const room = this.room();
    this.saving.set(true);
    this.failed.set(undefined);
    try {
      if (body !== this.now(editing)?.body) {
        await room.edit(editing.seq, body);
      }
      // The user may be in another room by now, or have begun another edit.
      if (this.drafts.get(room.roomId).editing?.seq === editing.seq) {
        this.drafts.keep(room.roomId, { editing: undefined, edited: undefined });
        if (!this.destroyed) {
          this.editing.set(undefined);
        }
      }
    } catch (failure) {
      this.failed.set(toRtsError(failure));
      if (this.destroyed) {
        this.notices.error(failure);
      }
    } finally {
      this.saving.set(false);
    }
  }

  private keep(change: Partial<Draft>): void {
    this.drafts.keep(this.room().roomId, change);
  }

  /** Handles a key for the list of people or emoji; returns true if it was handled. */
  private optionKey({ key }: KeyboardEvent): boolean {
    const [options, emoji] = [this.options(), this.emojiOptions()];
    const length = options.length || emoji.length;
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: length - 1 };
    const step = steps[key];
    if (step !== undefined) {
      this.option.update((index) => (index + step) % length);
    } else if (key === 'Enter' || key === 'Tab') {
      options.length > 0 ? this.choose(options[this.option()]?.userId ?? '') : this.chooseEmoji(emoji[this.option()]?.emoji ?? '');
    } else if (key === 'Escape') {
      this.dismissed.set(true);
    } else {
      return false;
    }
    return true;
  }

  /** Replaces a `:name:` that was just closed with its emoji. */
  private replaceName(): void {
    const { nativeElement } = this.area();
    const done = closedName(nativeElement.value, nativeElement.selectionStart);
    if (done !== undefined) {
      nativeElement.value = done.text;
      nativeElement.setSelectionRange(done.caret, done.caret);
    }
  }

  private mark(mark: string): void {
    const { value: text, selectionStart: from, selectionEnd: to } = this.area().nativeElement;
    const done = toggled({ text, from, to }, mark);
    this.put({ text: done.text, caret: done.to });
    this.area().nativeElement.setSelectionRange(done.from, done.to);
  }

  private put({ text, caret }: { text: string; caret: number }): void {
    this.write(text);
    this.area().nativeElement.setSelectionRange(caret, caret);
    this.typed();
    this.area().nativeElement.focus();
  }

  /** Returns the newest known state of a message. */
  private now(message: Message | undefined): Message | undefined {
    return message && (this.room().history.cited(message.seq) ?? message);
  }

  /** Follows the changes of a message from now on; a draft may have kept an old state. */
  private async follow(message: Message): Promise<void> {
    const { history } = this.room();
    await history.fetchCited(message.seq).catch(() => undefined);
    history.keep(history.cited(message.seq) ?? message);
  }

  /** Ends an edit whose message was deleted; the text stays as a draft, behind one that is there already. */
  private lost(): void {
    const draft = this.drafts.of(this.room().roomId);
    this.keep({ text: draft === '' ? this.body() : `${draft}\n${this.body()}` });
    this.editing.set(undefined);
    this.notices.show(this.i18n.t().conversation.editGone, true);
  }

  /** Puts a text into the field, with names for its ids. */
  private load(body: string, mentioned = this.room().members().map(({ userId }) => userId)): void {
    const { text, picked } = toNames(body, (userId) => mentioned.includes(userId), (userId) => this.chat.name(userId));
    this.named.set(picked);
    this.write(text);
  }

  private write(text: string): void {
    this.text.set(text);
    this.caret.set(text.length);
    this.area().nativeElement.value = text;
    this.fit();
  }

  /** Fits the height of the field to the text, within bounds. */
  private fit(): void {
    const { nativeElement } = this.area();
    nativeElement.style.height = 'auto';
    nativeElement.style.height = `${Math.min(nativeElement.scrollHeight, HEIGHT_PX_MAX)}px`;
  }
}
