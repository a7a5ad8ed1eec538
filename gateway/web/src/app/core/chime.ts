import { Injectable } from '@angular/core';

const EVERY_MS = 2_000;
const NOTES_HZ = [740, 988];
const NOTE_S = 0.11;

/** Two short soft notes, synthesized: there is no file to load. */
@Injectable({ providedIn: 'root' })
export class Chime {
  private audio: AudioContext | undefined;
  private rangAtMs = -EVERY_MS;

  /** Rings, once for messages that arrive together. A page without any user action yet may not make a sound. */
  ring(): void {
    const touched = (navigator.userActivation as UserActivation | undefined)?.hasBeenActive ?? true;
    if (!touched || !('AudioContext' in globalThis) || performance.now() - this.rangAtMs < EVERY_MS) {
      return;
    }
    this.rangAtMs = performance.now();
    const audio = (this.audio ??= new AudioContext());
    audio.resume().catch(() => undefined);
    NOTES_HZ.forEach((frequency, index) => {
      const [note, gain] = [audio.createOscillator(), audio.createGain()];
      const from = audio.currentTime + index * NOTE_S;
      note.frequency.value = frequency;
      gain.gain.setValueAtTime(0.0001, from);
      gain.gain.exponentialRampToValueAtTime(0.12, from + 0.015);
      gain.gain.exponentialRampToValueAtTime(0.0001, from + 3 * NOTE_S);
      note.connect(gain).connect(audio.destination);
      note.start(from);
      note.stop(from + 3 * NOTE_S);
    });
  }
}
